// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include <random>

#include <nlohmann/json.hpp>

#include "fake_engine.h"
#include "ipc/convert.h"
#include "ipc/service.h"

using namespace snapctl;
using namespace snapctl::ipc;

namespace {

constexpr gid_t readers = 4711;
const Peer root{1, 0, 0, {}};
const Peer member{2, 1000, 1000, {7, readers}};
const Peer stranger{3, 1001, 1001, {7, 8}};

struct Fixture {
	test::FakeEngine engine;
	Service service{engine, Access{999, readers}, Identity{"1.2.3", "fake"}};

	Json send(const Json& request, const Peer& peer = root)
	{
		return parse_reply(service.handle(request.dump(), peer));
	}
	Json ask(const std::string& method, const Json& parameters = Json::object(), const Peer& peer = root)
	{
		return send(Json{{"v", 1}, {"id", 7}, {"method", method}, {"params", parameters}}, peer);
	}
	static Json parse_reply(const Answer& answer) { return Json::parse(answer.message); }
	static std::string code(const Json& reply)
	{
		return reply.contains("error") ? reply.at("error").at("code").get<std::string>() : "";
	}
};

Json remove_monday() { return {{"change", {{"kind", "remove"}, {"snapshot", "monday"}}}}; }

} // namespace

BOOST_FIXTURE_TEST_SUITE(service, Fixture)

BOOST_AUTO_TEST_CASE(questions_are_answered)
{
	BOOST_TEST(ask("hello").at("result").at("version") == "1.2.3");
	BOOST_TEST(ask("hello").at("id") == 7);
	BOOST_TEST(ask("origins").at("result").at("origins").size() == 1u);
	BOOST_TEST(ask("snapshots").at("result").at("snapshots").at(0).at("name") == "monday");
	BOOST_TEST(ask("doctor").at("result").at("findings").at(0).at("level") == "hint");
	BOOST_TEST(ask("counters").at("result").at("counters").at(0).at("snapshot") == "monday");
	BOOST_TEST(ask("metrics").at("result").at("text").get<std::string>().ends_with("# EOF\n"));
	BOOST_TEST(ask("table", {{"name", "vol"}}).at("result").at("lines").at(0) == "vol: 0 8 linear");
	// Parameters may be left out where there are none.
	BOOST_TEST(send(Json{{"v", 1}, {"id", 1}, {"method", "hello"}}).contains("result"));
}

BOOST_AUTO_TEST_CASE(a_plan_changes_nothing_and_an_order_does)
{
	const Json reply = ask("plan", remove_monday());
	BOOST_TEST(reply.at("result").at("steps").size() == 2u);
	BOOST_TEST(engine.applied.size() == 0u);
	BOOST_TEST(ask("apply", remove_monday()).at("result").at("outcome").at("stood_still_us") == 1500);
	BOOST_REQUIRE(engine.applied.size() == 1u);
	BOOST_TEST(std::get<engine::Remove>(engine.applied[0]).snapshot == "monday");
}

BOOST_AUTO_TEST_CASE(a_refusal_arrives_with_its_code_and_advice)
{
	engine.refuses = true;
	const Json reply = ask("apply", remove_monday());
	BOOST_TEST(code(reply) == "busy");
	BOOST_TEST(reply.at("error").at("message") == "create snapshot: monday: not today");
	BOOST_TEST(reply.at("error").at("advice") == "Try tomorrow.");
	BOOST_TEST(engine.applied.size() == 0u);
}

BOOST_AUTO_TEST_CASE(only_root_and_the_daemons_own_user_change_anything)
{
	for (const char* method : {"plan", "apply"}) {
		BOOST_TEST(code(ask(method, remove_monday(), member)) == "denied");
		BOOST_TEST(code(ask(method, remove_monday(), stranger)) == "denied");
	}
	BOOST_TEST(code(ask("table", {{"name", "vol"}}, member)) == "denied");
	BOOST_TEST(code(ask("activate_all", Json::object(), member)) == "denied");
	BOOST_TEST(engine.activations == 0);
	BOOST_TEST(engine.planned.size() + engine.applied.size() == 0u);
	BOOST_TEST(code(ask("apply", remove_monday(), Peer{4, 999, 999, {}})).empty());
	BOOST_TEST(engine.applied.size() == 1u);
}

BOOST_AUTO_TEST_CASE(members_of_the_group_read_and_nobody_else_does)
{
	for (const char* method : {"hello", "origins", "snapshots", "doctor", "counters", "metrics", "watch"}) {
		BOOST_TEST(code(ask(method, Json::object(), member)).empty(), method);
		BOOST_TEST(code(ask(method, Json::object(), stranger)) == "denied", method);
	}
	// By its own group too, and a stranger does not even learn what methods there are.
	BOOST_TEST(code(ask("hello", Json::object(), Peer{5, 1002, readers, {}})).empty());
	BOOST_TEST(code(ask("no_such_method", Json::object(), stranger)) == "denied");
	const Service closed{engine, Access{0, std::nullopt}, {}};
	BOOST_TEST((closed.access().of(member) == Right::nothing));
	// The uid of "nobody has said who" is not that of root.
	BOOST_TEST((closed.access().of(Peer{}) == Right::nothing));
}

BOOST_AUTO_TEST_CASE(a_bad_envelope_is_answered_and_ends_the_connection)
{
	const char* const bad[] = {
		"", "x", "[]", "{}", "null", "7",
		R"({"v": 1, "method": "hello"})",
		R"({"v": 1, "id": -1, "method": "hello"})",
		R"({"v": 1, "id": "1", "method": "hello"})",
		R"({"v": 1, "id": 1})",
		R"({"v": 1, "id": 1, "method": 5})",
		R"({"v": 1, "id": 1, "method": "hello", "params": []})",
		R"({"v": 1, "id": 1, "method": "hello", "params": {"x": 1}})",
		R"({"v": 1, "id": 1, "method": "hello", "more": 1})",
		R"({"v": 1, "id": 1, "method": "apply"})",
		R"({"v": 1, "id": 1, "method": "apply", "params": {"change": {"kind": "remove", "snapshot": "a"}, "dry_run": true}})",
	};
	for (const char* text : bad) {
		const Answer answer = service.handle(text, root);
		BOOST_TEST(code(parse_reply(answer)) == "bad_request", text);
		BOOST_TEST(answer.hang_up, text);
	}
	for (const char* text : {R"({"v": 2, "id": 1, "method": "hello"})", R"({"id": 1, "method": "hello"})"}) {
		const Answer answer = service.handle(text, root);
		BOOST_TEST(code(parse_reply(answer)) == "version");
		BOOST_TEST(answer.hang_up);
	}
	BOOST_TEST(engine.applied.size() == 0u);
}

BOOST_AUTO_TEST_CASE(an_unknown_method_is_answered)
{
	const Answer answer = service.handle(R"({"v": 1, "id": 1, "method": "dance"})", root);
	BOOST_TEST(code(parse_reply(answer)) == "unknown_method");
	BOOST_TEST(!answer.hang_up);
}

BOOST_AUTO_TEST_CASE(watching_makes_a_stream)
{
	const Answer answer = service.handle(R"({"v": 1, "id": 12, "method": "watch"})", member);
	BOOST_TEST(answer.streams);
	BOOST_TEST(answer.id == 12u);
	BOOST_TEST(!service.handle(R"({"v": 1, "id": 12, "method": "watch"})", stranger).streams);
	const Json event = Json::parse(Service::event_message(12, test::full_event()));
	BOOST_TEST(event.at("id") == 12);
	BOOST_TEST(event.at("event").at("kind") == "low_water");
}

BOOST_AUTO_TEST_CASE(a_truncated_request_is_never_obeyed)
{
	for (const auto& change : test::all_changes()) {
		const std::string whole =
			Json{{"v", 1}, {"id", 1}, {"method", "apply"}, {"params", {{"change", to_json(change)}}}}.dump();
		for (std::size_t n = 0; n < whole.size(); n++)
			BOOST_TEST(code(parse_reply(service.handle(whole.substr(0, n), root))) == "bad_request");
	}
	BOOST_TEST(engine.planned.size() + engine.applied.size() == 0u);
}

BOOST_AUTO_TEST_CASE(random_bytes_are_answered_and_never_obeyed)
{
	std::mt19937 random{20261121};
	for (int round = 0; round < 20'000; round++) {
		std::string bytes(random() % 200, '\0');
		for (char& c : bytes)
			c = static_cast<char>(random());
		const Answer answer = service.handle(bytes, root);
		BOOST_TEST(answer.hang_up);
		BOOST_TEST(code(parse_reply(answer)) == "bad_request");
	}
	BOOST_TEST(engine.planned.size() + engine.applied.size() == 0u);
}

// A mutated request may still be one; then it is obeyed as it now reads, by
// root, and by nobody else.
BOOST_AUTO_TEST_CASE(mutated_requests_never_break_anything)
{
	std::mt19937 random{4711};
	std::vector<std::string> seeds;
	for (const auto& change : test::all_changes())
		seeds.push_back(
			Json{{"v", 1}, {"id", 1}, {"method", "apply"}, {"params", {{"change", to_json(change)}}}}.dump());
	const std::string tokens = "{}[]\":,0-1e9.\\ut\x01\x7f\xff\xc3";
	std::size_t obeyed = 0;
	for (int round = 0; round < 60'000; round++) {
		std::string text = seeds[random() % seeds.size()];
		for (auto n = 1 + random() % 3; n > 0 && !text.empty(); n--) {
			const std::size_t at = random() % text.size();
			switch (random() % 5) {
			case 0: text[at] = static_cast<char>(random()); break;
			case 1: text.insert(at, 1, tokens[random() % tokens.size()]); break;
			case 2: text.erase(at, 1 + random() % 8); break;
			case 3: text.insert(at, text.substr(random() % text.size(), random() % 30)); break;
			case 4: text[at] = tokens[random() % tokens.size()]; break;
			}
		}
		const std::size_t before = engine.applied.size();
		BOOST_TEST(parse_reply(service.handle(text, member)).contains("error"));
		BOOST_TEST(engine.applied.size() == before);
		const Json reply = parse_reply(service.handle(text, root));
		BOOST_TEST(reply.contains("error") == (engine.applied.size() == before));
		if (reply.contains("error"))
			continue;
		obeyed++;
		// What was obeyed is what the text says, as the parser reads it.
		const Json request = Json::parse(text);
		BOOST_TEST((to_json(engine.applied.back()) ==
			    to_json(change_from_json(request.at("params").at("change")))));
	}
	BOOST_TEST(obeyed > 100u, "only " << obeyed << " mutants were requests: the mutations are too coarse");
	BOOST_TEST(obeyed < 40'000u);
}

BOOST_AUTO_TEST_SUITE_END()
