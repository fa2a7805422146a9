// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include "fake_engine.h"
#include "ipc/convert.h"
#include "ipc/frame.h"
#include "ipc/metrics.h"
#include "ipc/names.h"

using namespace snapctl;
using namespace snapctl::ipc;
using test::full_snapshot;

namespace {

// As a reader on the other side of a socket gets it.
template <class T> Json twice(const T& value)
{
	const Json first = to_json(value);
	const Json second = to_json(from_json<T>(parse_untrusted(dump(first))));
	BOOST_TEST(first == second, dump(first) << " became " << dump(second));
	return first;
}

template <class E> void check_names(std::size_t n)
{
	std::size_t count = 0;
	for (const auto& [value, name] : names_of(E{})) {
		BOOST_TEST(static_cast<std::size_t>(value) == count++, "the table is in the enum's order");
		BOOST_TEST((named<E>(name) == value));
		BOOST_TEST(name_of(value) == name);
	}
	BOOST_TEST(count == n);
	BOOST_TEST(!named<E>("no such word"));
	BOOST_TEST(!named<E>(""));
}

Json change_json()
{
	return to_json(engine::Change{test::all_changes()[2]});
}

} // namespace

BOOST_AUTO_TEST_SUITE(convert)

BOOST_AUTO_TEST_CASE(every_struct_survives_the_round_trip)
{
	twice(test::full_origin());
	twice(engine::OriginState{});
	twice(full_snapshot());
	twice(engine::SnapshotState{});
	twice(test::full_event());
	twice(engine::Event{engine::EventKind::invalid, {}, "", "", "", "", {}, {}, ""});
	twice(engine::Outcome{false, "nothing to do", {}});
	twice(engine::Outcome{true, "done", std::chrono::microseconds{12}});
	twice(engine::Finding{engine::Finding::Level::problem, "a", "b"});
	twice(engine::Counters{"s", {{"z", 1}, {"a", test::many}}, {0, 5}});
	twice(std::vector<engine::Step>{{"one"}, {"two"}});
}

BOOST_AUTO_TEST_CASE(every_field_arrives)
{
	const auto s = from_json<engine::SnapshotState>(to_json(full_snapshot()));
	const auto expected = full_snapshot();
	BOOST_TEST(s.name == expected.name);
	BOOST_TEST((s.health == expected.health));
	BOOST_TEST((s.space.kind == expected.space.kind));
	BOOST_TEST(s.cow_device == expected.cow_device);
	BOOST_TEST(s.usage->metadata.count == 3u);
	BOOST_TEST(s.merge->time_left->count() == 7);
	BOOST_TEST((s.created == expected.created));
	BOOST_TEST(to_json(expected).size() == 17u); // as many as the struct has
	BOOST_TEST(to_json(test::full_origin()).size() == 8u);
	BOOST_TEST(to_json(test::full_event()).size() == 9u);
}

BOOST_AUTO_TEST_CASE(every_change_survives_the_round_trip)
{
	std::vector<bool> seen(std::variant_size_v<engine::Change>);
	for (const auto& change : test::all_changes()) {
		const Json first = to_json(change);
		const auto back = change_from_json(parse_untrusted(dump(first)));
		BOOST_TEST(back.index() == change.index());
		BOOST_TEST(to_json(back) == first);
		seen[change.index()] = true;
	}
	for (std::size_t i = 0; i < seen.size(); i++)
		BOOST_TEST(seen[i], "change " << i << " is not tried");
}

BOOST_AUTO_TEST_CASE(defaults_of_a_change_may_be_left_out)
{
	const auto change = change_from_json(parse_untrusted(
		R"({"kind": "create", "members": [{"origin": "vol", "snapshot": "monday"}]})"));
	const auto& create = std::get<engine::Create>(change);
	BOOST_TEST((create.size == engine::Size{Percent{20}}));
	BOOST_TEST((create.on_full == engine::OnFull::queue));
	BOOST_TEST(!create.chunk);
}

BOOST_AUTO_TEST_CASE(a_change_is_read_strictly)
{
	const char* const bad[] = {
		"null",
		"[]",
		"{}",
		R"({"kind": 1})",
		R"({"kind": "format_everything"})",
		R"({"kind": "remove"})",
		R"({"kind": "remove", "snapshot": 5})",
		R"({"kind": "remove", "snapshot": null})",
		R"({"kind": "remove", "snapshot": ["monday"]})",
		R"({"kind": "remove", "snapshot": "a\u0000b"})",
		R"({"kind": "remove", "snapshot": "a\nb"})",
		R"({"kind": "remove", "snapshot": "\u001b[2J"})",
		R"({"kind": "remove", "snapshot": "monday", "force": true})",
		R"({"kind": "extend", "snapshot": "monday", "by": 5})",
		R"({"kind": "extend", "snapshot": "monday", "by": {}})",
		R"({"kind": "extend", "snapshot": "monday", "by": {"percent": -1}})",
		R"({"kind": "extend", "snapshot": "monday", "by": {"percent": 1.5}})",
		R"({"kind": "extend", "snapshot": "monday", "by": {"bytes": 18446744073709551616}})",
		R"({"kind": "extend", "snapshot": "monday", "by": {"percent": 1, "bytes": 1}})",
		R"({"kind": "extend", "snapshot": "monday", "by": {"chunks": 1}})",
		R"({"kind": "create", "members": []  , "space": {"kind": "tape"}})",
		R"({"kind": "create", "members": {"origin": "a", "snapshot": "b"}})",
		R"({"kind": "create", "members": [{"origin": "a"}]})",
		R"({"kind": "create", "members": [], "transient": 1})",
		R"({"kind": "create", "members": [], "on_full": "explode"})",
		R"({"kind": "merge_control", "snapshot": "a", "what": "stop"})",
	};
	for (const char* text : bad)
		BOOST_CHECK_THROW((void)change_from_json(parse_untrusted(text)), Malformed);
	Json json = change_json();
	json["snapshot"] = std::string(5000, 'x');
	BOOST_CHECK_THROW((void)change_from_json(json), Malformed);
	BOOST_CHECK_THROW((void)change_from_json(Json{{"kind", "remove"}, {"snapshot", std::string(4097, 'x')}}),
			  Malformed);
}

BOOST_AUTO_TEST_CASE(a_state_of_a_newer_daemon_is_understood)
{
	Json json = to_json(full_snapshot());
	json["colour"] = "blue";
	BOOST_TEST(from_json<engine::SnapshotState>(json).name == "monday");
	json.erase("name");
	BOOST_CHECK_THROW((void)from_json<engine::SnapshotState>(json), Malformed);
}

BOOST_AUTO_TEST_CASE(text_that_is_no_json_is_malformed)
{
	for (const char* text : {"", "{", "}", "nul", "{\"a\":}", "\"\xff\"", "1 2", "{} x", "1e999", "'a'"})
		BOOST_CHECK_THROW((void)parse_untrusted(text), Malformed);
	BOOST_CHECK_THROW((void)parse_untrusted(std::string(60'000, '[')), Malformed);
	BOOST_CHECK_THROW((void)parse_untrusted(std::string(20, '[') + std::string(20, ']')), Malformed);
	BOOST_CHECK_NO_THROW((void)parse_untrusted("[[[[]]]]"));
}

BOOST_AUTO_TEST_CASE(no_string_makes_an_answer_fail)
{
	auto s = full_snapshot();
	s.cow_device = "/dev/\xff\xfe\n";
	BOOST_CHECK_NO_THROW((void)parse_untrusted(dump(to_json(s))));
}

BOOST_AUTO_TEST_CASE(every_enum_has_its_words)
{
	check_names<engine::SpaceKind>(3);
	check_names<engine::OnFull>(3);
	check_names<engine::Health>(8);
	check_names<engine::EventKind>(15);
	check_names<engine::Finding::Level>(3);
	check_names<engine::MergeControl::What>(3);
}

BOOST_AUTO_TEST_CASE(a_length_survives_its_header)
{
	for (const std::size_t n : {0u, 1u, 255u, 256u, 65536u, 0x01020304u, 0xffffffffu})
		BOOST_TEST(parse_header(make_header(n)) == n);
	BOOST_TEST(frame("ab") == std::string("\0\0\0\2ab", 6));
}

BOOST_AUTO_TEST_CASE(metrics_are_openmetrics)
{
	test::FakeEngine engine;
	auto other = full_snapshot();
	other.name = "od\"d\\name";
	other.usage.reset();
	other.merge.reset();
	engine.snapshot_states.push_back(other);
	const std::string text =
		openmetrics(engine.origins(), engine.snapshots(), engine.counters(), "1.0");
	BOOST_TEST(text.ends_with("\n# EOF\n"));
	const auto has = [&text](const char* line) {
		BOOST_TEST(text.find(std::string{line} + '\n') != std::string::npos, line << " is not in\n" << text);
	};
	has("# TYPE snapctl_snapshot_allocated_bytes gauge");
	has(R"(snapctl_snapshot_allocated_bytes{snapshot="monday",origin="vol"} 1)");
	has(R"(snapctl_snapshot_size_bytes{snapshot="od\"d\\name",origin="vol"} 1099511627776)");
	has(R"(snapctl_snapshot_health{snapshot="monday",origin="vol",snapctl_snapshot_health="merging"} 1)");
	has(R"(snapctl_snapshot_health{snapshot="monday",origin="vol",snapctl_snapshot_health="active"} 0)");
	has(R"(snapctl_kernel_copies_total{snapshot="monday"} 5)");
	has("# TYPE snapctl_kernel_exceptions gauge");
	has(R"(snapctl_kernel_exceptions{snapshot="monday"} 4)");
	has(R"(snapctl_first_write_latency_seconds_bucket{snapshot="monday",le="0.000001"} 1)");
	has(R"(snapctl_first_write_latency_seconds_bucket{snapshot="monday",le="0.000004"} 3)");
	has(R"(snapctl_first_write_latency_seconds_bucket{snapshot="monday",le="+Inf"} 3)");
	BOOST_TEST(text.find("allocated_bytes{snapshot=\"od") == std::string::npos);
	// A family is in one piece and described once.
	std::size_t count = 0;
	for (std::size_t at = 0; (at = text.find("# TYPE snapctl_snapshot_size_bytes ", at)) != std::string::npos; at++)
		count++;
	BOOST_TEST(count == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
