// SPDX-License-Identifier: GPL-2.0-or-later
#include "ipc/service.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "ipc/convert.h"
#include "ipc/frame.h"
#include "ipc/metrics.h"

namespace snapctl::ipc {

namespace {

struct Denied : std::runtime_error {
	using std::runtime_error::runtime_error;
};

struct UnknownMethod : std::runtime_error {
	using std::runtime_error::runtime_error;
};

struct OtherVersion : std::runtime_error {
	using std::runtime_error::runtime_error;
};

Json error_json(std::string_view code, std::string_view text, std::string_view advice = {})
{
	Json error{{"code", code}, {"message", text}};
	if (!advice.empty())
		error["advice"] = advice;
	return error;
}

std::string_view code_of(const Error& error)
{
	if (error.code().category() != failure_category())
		return "failed";
	switch (static_cast<Failure>(error.code().value())) {
	case Failure::refused: return "refused";
	case Failure::not_found: return "not_found";
	case Failure::exists: return "exists";
	case Failure::busy: return "busy";
	case Failure::malformed: return "malformed";
	case Failure::unsupported: return "unsupported";
	case Failure::damaged: return "damaged";
	case Failure::failed: break;
	}
	return "failed";
}

template <class T> Json list_of(const std::vector<T>& values)
{
	Json list = Json::array();
	for (const T& value : values)
		list.push_back(to_json(value));
	return list;
}

// The parameters of a method, by name; what is not asked for must not be there.
class Parameters {
public:
	explicit Parameters(const Json& json) : json_{json}
	{
		if (!json.is_object())
			throw Malformed("'params': an object is expected");
	}
	const Json& take(const char* key)
	{
		const auto found = json_.find(key);
		if (found == json_.end())
			throw Malformed(std::string{"'"} + key + "': missing");
		taken_++;
		return *found;
	}
	std::string take_string(const char* key)
	{
		const Json& value = take(key);
		if (!value.is_string())
			throw Malformed(std::string{"'"} + key + "': a string is expected");
		return value.get<std::string>();
	}
	void end() const
	{
		if (taken_ != json_.size())
			throw Malformed("'params': an unknown key in it");
	}

private:
	const Json& json_;
	std::size_t taken_ = 0;
};

} // namespace

struct Service::Request {
	Service& service;
	Parameters& parameters;

	[[nodiscard]] engine::Engine& engine() const { return service.engine_; }
};

struct Service::Method {
	const char* name;
	Right needed;
	Json (*run)(const Request&);
};

const Service::Method Service::methods_[] = {
	{"hello", Right::read,
	 [](const Request& r) {
		 r.parameters.end();
		 return Json{{"version", r.service.identity_.version},
			     {"protocol", protocol_version},
			     {"engine", r.service.identity_.engine},
			     {"pid", getpid()}};
	 }},
	{"origins", Right::read,
	 [](const Request& r) {
		 r.parameters.end();
		 return Json{{"origins", list_of(r.engine().origins())}};
	 }},
	{"snapshots", Right::read,
	 [](const Request& r) {
		 r.parameters.end();
		 return Json{{"snapshots", list_of(r.engine().snapshots())}};
	 }},
	{"doctor", Right::read,
	 [](const Request& r) {
		 r.parameters.end();
		 return Json{{"findings", list_of(r.engine().doctor())}};
	 }},
	{"counters", Right::read,
	 [](const Request& r) {
		 r.parameters.end();
		 return Json{{"counters", list_of(r.engine().counters())}};
	 }},
	{"metrics", Right::read,
	 [](const Request& r) {
		 r.parameters.end();
		 return Json{{"text", openmetrics(r.engine().origins(), r.engine().snapshots(),
						  r.engine().counters(), r.service.identity_.version)}};
	 }},
	{"watch", Right::read,
	 [](const Request& r) {
		 r.parameters.end();
		 return Json::object();
	 }},
	// Tables may name what only root should know.
	{"table", Right::change,
	 [](const Request& r) {
		 const std::string name = r.parameters.take_string("name");
		 r.parameters.end();
		 return Json{{"lines", r.engine().table(name)}};
	 }},
	{"plan", Right::change,
	 [](const Request& r) {
		 const engine::Change change = change_from_json(r.parameters.take("change"));
		 r.parameters.end();
		 return Json{{"steps", to_json(r.engine().plan(change)->steps())}};
	 }},
	{"apply", Right::change,
	 [](const Request& r) {
		 const engine::Change change = change_from_json(r.parameters.take("change"));
		 r.parameters.end();
		 const auto plan = r.engine().plan(change);
		 return Json{{"outcome", to_json(r.engine().apply(*plan))}};
	 }},
	{"plan_activate_all", Right::change,
	 [](const Request& r) {
		 r.parameters.end();
		 const engine::ActivationPlan plan = r.engine().plan_activate_all();
		 return Json{{"steps", to_json(plan.steps)}, {"findings", list_of(plan.findings)}};
	 }},
	{"activate_all", Right::change,
	 [](const Request& r) {
		 r.parameters.end();
		 return Json{{"findings", list_of(r.engine().activate_all())}};
	 }},
};

Service::Service(engine::Engine& engine, Access access, Identity identity)
	: engine_{engine}, access_{access}, identity_{std::move(identity)}
{
}

// What is wrong with the envelope ends the connection: who cannot keep to it
// is not understood in what follows either.
Answer Service::answer(std::string_view message, const Peer& peer)
{
	Json id; // null until it is known
	const auto failed = [&id](Json error, bool hang_up) {
		return Answer{dump(Json{{"id", id}, {"error", std::move(error)}}), hang_up, false, 0};
	};
	try {
		const Json json = parse_untrusted(message);
		if (!json.is_object())
			throw Malformed("an object is expected");
		if (!json.contains("id") || !json.at("id").is_number_unsigned())
			throw Malformed("'id': an unsigned integer is expected");
		id = json.at("id");
		if (!json.contains("v") || json.at("v") != protocol_version)
			throw OtherVersion("this daemon speaks version " + std::to_string(protocol_version) +
					   " of the protocol");
		if (!json.contains("method") || !json.at("method").is_string())
			throw Malformed("'method': a string is expected");
		const Json none = Json::object();
		const bool has_parameters = json.contains("params");
		if (json.size() != (has_parameters ? 4 : 3))
			throw Malformed("an unknown key");
		const std::string name = json.at("method").get<std::string>();
		const Method* method = nullptr;
		for (const Method& each : methods_)
			if (name == each.name)
				method = &each;
		// Before what is asked for is looked at: who may not ask learns nothing.
		const Right right = access_.of(peer);
		if (right == Right::nothing || (method && right < method->needed))
			throw Denied(right == Right::read ? "only root may do this"
							  : "neither root nor in the group that may read");
		if (!method)
			throw UnknownMethod("there is no such method");

		Parameters parameters{has_parameters ? json.at("params") : none};
		const Json result = method->run(Request{*this, parameters});
		std::string text = dump(Json{{"id", id}, {"result", result}});
		if (text.size() > max_reply)
			return failed(error_json("failed", "the answer is too large"), false);
		return {std::move(text), false, name == "watch", id.get<std::uint64_t>()};
	} catch (const Malformed& error) {
		return failed(error_json("bad_request", error.what()), true);
	} catch (const OtherVersion& error) {
		return failed(error_json("version", error.what()), true);
	} catch (const UnknownMethod& error) {
		return failed(error_json("unknown_method", error.what()), false);
	} catch (const Denied& error) {
		return failed(error_json("denied", error.what()), true);
	} catch (const Error& error) {
		return failed(error_json(code_of(error), error.what(), error.advice()), false);
	} catch (const std::exception& error) {
		return failed(error_json("failed", error.what()), false);
	}
}

Answer Service::handle(std::string_view message, const Peer& peer) noexcept
{
	try {
		return answer(message, peer);
	} catch (...) {
		// No memory for the answer: silence and the end of the connection.
		return {{}, true, false, 0};
	}
}

std::string Service::event_message(std::uint64_t id, const engine::Event& event)
{
	return dump(Json{{"id", id}, {"event", to_json(event)}});
}

std::string Service::error_message(std::string_view code, std::string_view text)
{
	return dump(Json{{"id", nullptr}, {"error", error_json(code, text)}});
}

} // namespace snapctl::ipc
