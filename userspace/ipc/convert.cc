// SPDX-License-Identifier: GPL-2.0-or-later
#include "ipc/convert.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "ipc/frame.h"
#include "ipc/names.h"

namespace snapctl::ipc {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

constexpr std::size_t max_string = 4096;
constexpr std::size_t max_items = 100'000;

[[noreturn]] void malformed(const std::string& key, const char* reason)
{
	throw Malformed("'" + key + "': " + reason);
}

// ---- values ----------------------------------------------------------------

struct Context {
	std::string key;
	bool strict;
};

void write(Json& json, const std::string& value) { json = value; }
void write(Json& json, bool value) { json = value; }
void write(Json& json, std::uint64_t value) { json = value; }
void write(Json& json, Bytes value) { json = value.count; }
// Durations and times before the epoch are none that we know.
void write(Json& json, seconds value) { json = std::uint64_t(std::max<seconds::rep>(value.count(), 0)); }
void write(Json& json, microseconds value) { json = std::uint64_t(std::max<microseconds::rep>(value.count(), 0)); }
void write(Json& json, system_clock::time_point value)
{
	write(json, duration_cast<microseconds>(value.time_since_epoch()));
}
void write(Json& json, const engine::Size& value)
{
	if (const auto* percent = std::get_if<Percent>(&value))
		json = {{"percent", percent->count}};
	else
		json = {{"bytes", std::get<Bytes>(value).count}};
}

void read(const Json& json, std::string& value, const Context& at)
{
	if (!json.is_string())
		malformed(at.key, "a string is expected");
	value = json.get<std::string>();
	if (!at.strict)
		return;
	if (value.size() > max_string)
		malformed(at.key, "too long");
	// No name or path needs one, and each makes a log or a terminal lie.
	if (std::ranges::any_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
		malformed(at.key, "a control character");
}

void read(const Json& json, bool& value, const Context& at)
{
	if (!json.is_boolean())
		malformed(at.key, "true or false is expected");
	value = json.get<bool>();
}

void read(const Json& json, std::uint64_t& value, const Context& at)
{
	if (!json.is_number_unsigned())
		malformed(at.key, "an unsigned integer is expected");
	value = json.get<std::uint64_t>();
}

void read(const Json& json, Bytes& value, const Context& at) { read(json, value.count, at); }

template <class Duration>
Duration read_duration(const Json& json, const Context& at)
{
	std::uint64_t count = 0;
	read(json, count, at);
	// So that it is in range in nanoseconds too.
	if (count > static_cast<std::uint64_t>(
			    duration_cast<Duration>(system_clock::duration::max()).count()))
		malformed(at.key, "out of range");
	return Duration{static_cast<typename Duration::rep>(count)};
}

void read(const Json& json, seconds& value, const Context& at)
{
	value = read_duration<seconds>(json, at);
}
void read(const Json& json, microseconds& value, const Context& at)
{
	value = read_duration<microseconds>(json, at);
}
void read(const Json& json, system_clock::time_point& value, const Context& at)
{
	value = system_clock::time_point{read_duration<microseconds>(json, at)};
}

void read(const Json& json, engine::Size& value, const Context& at)
{
	if (!json.is_object() || json.size() != 1)
		malformed(at.key, R"({"percent": N} or {"bytes": N} is expected)");
	std::uint64_t count = 0;
	read(json.begin().value(), count, at);
	if (json.contains("percent"))
		value = Percent{count};
	else if (json.contains("bytes"))
		value = Bytes{count};
	else
		malformed(at.key, R"({"percent": N} or {"bytes": N} is expected)");
}

template <class E>
	requires std::is_enum_v<E>
void write(Json& json, E value)
{
	json = name_of(value);
}

template <class E>
	requires std::is_enum_v<E>
void read(const Json& json, E& value, const Context& at)
{
	std::string word;
	read(json, word, at);
	const auto found = named<E>(word);
	if (!found)
		malformed(at.key, "an unknown word");
	value = *found;
}

// ---- structs ---------------------------------------------------------------
//
// visit(value, fields): fields.required(KEY, member) for what must be there,
// fields.optional(KEY, member) for what has a default.

using namespace engine;

template <class F> void visit(Space& s, F& fields)
{
	fields.required("kind", s.kind);
	fields.optional("where", s.where);
}

template <class F> void visit(OriginAdd& s, F& fields)
{
	fields.required("name", s.name);
	fields.required("device", s.device);
}

template <class F> void visit(OriginRemove& s, F& fields) { fields.required("name", s.name); }

template <class F> void visit(Create::Member& s, F& fields)
{
	fields.required("origin", s.origin);
	fields.required("snapshot", s.snapshot);
}

template <class F> void visit(Create& s, F& fields)
{
	fields.required("members", s.members);
	fields.optional("set", s.set);
	fields.optional("size", s.size);
	fields.optional("space", s.space);
	fields.optional("chunk_bytes", s.chunk);
	fields.optional("transient", s.transient);
	fields.optional("read_only", s.read_only);
	fields.optional("on_full", s.on_full);
}

template <class F> void visit(Remove& s, F& fields) { fields.required("snapshot", s.snapshot); }

template <class F> void visit(Extend& s, F& fields)
{
	fields.required("snapshot", s.snapshot);
	fields.required("by", s.by);
}

template <class F> void visit(Activate& s, F& fields) { fields.required("snapshot", s.snapshot); }
template <class F> void visit(Deactivate& s, F& fields) { fields.required("snapshot", s.snapshot); }

template <class F> void visit(Rename& s, F& fields)
{
	fields.required("snapshot", s.snapshot);
	fields.required("to", s.to);
}

template <class F> void visit(Merge& s, F& fields)
{
	fields.required("snapshot", s.snapshot);
	fields.optional("rate_bytes", s.rate);
}

template <class F> void visit(MergeControl& s, F& fields)
{
	fields.required("snapshot", s.snapshot);
	fields.required("what", s.what);
	fields.optional("rate_bytes", s.rate);
}

template <class F> void visit(Usage& s, F& fields)
{
	fields.required("allocated_bytes", s.allocated);
	fields.required("total_bytes", s.total);
	fields.required("metadata_bytes", s.metadata);
}

template <class F> void visit(MergeState& s, F& fields)
{
	fields.required("left_bytes", s.left);
	fields.required("at_start_bytes", s.at_start);
	fields.required("rate_bytes", s.rate);
	fields.required("paused", s.paused);
	fields.optional("time_left_seconds", s.time_left);
}

template <class F> void visit(OriginState& s, F& fields)
{
	fields.required("name", s.name);
	fields.required("device", s.device);
	fields.required("device_node", s.device_node);
	fields.required("major_minor", s.major_minor);
	fields.required("size_bytes", s.size);
	fields.required("taken_over", s.taken_over);
	fields.required("suspended", s.suspended);
	fields.required("snapshots", s.snapshots);
}

template <class F> void visit(SnapshotState& s, F& fields)
{
	fields.required("name", s.name);
	fields.required("origin", s.origin);
	fields.required("set", s.set);
	fields.required("device_node", s.device_node);
	fields.required("major_minor", s.major_minor);
	fields.required("health", s.health);
	fields.required("size_bytes", s.size);
	fields.required("chunk_bytes", s.chunk);
	fields.required("transient", s.transient);
	fields.required("read_only", s.read_only);
	fields.required("merge_wanted", s.merge_wanted);
	fields.required("on_full", s.on_full);
	fields.required("space", s.space);
	fields.required("cow_device", s.cow_device);
	fields.optional("usage", s.usage);
	fields.optional("merge", s.merge);
	fields.required("created_us", s.created);
}

template <class F> void visit(Outcome& s, F& fields)
{
	fields.required("changed", s.changed);
	fields.required("text", s.text);
	fields.optional("stood_still_us", s.stood_still);
}

template <class F> void visit(Event& s, F& fields)
{
	fields.required("kind", s.kind);
	fields.required("when_us", s.when);
	fields.required("device", s.device);
	fields.required("origin", s.origin);
	fields.required("major_minor", s.major_minor);
	fields.required("uuid", s.uuid);
	fields.optional("usage", s.usage);
	fields.optional("fill_rate_bytes", s.fill_rate);
	fields.required("text", s.text);
}

template <class F> void visit(Finding& s, F& fields)
{
	fields.required("level", s.level);
	fields.required("what", s.what);
	fields.required("advice", s.advice);
}

template <class F> void visit(Counters& s, F& fields)
{
	fields.required("snapshot", s.snapshot);
	fields.required("values", s.values);
	fields.required("first_write_latency", s.first_write_latency);
}

template <class F> void visit(Step& s, F& fields) { fields.required("text", s.text); }

// ---- the two directions ----------------------------------------------------

struct Writer;
struct Reader;

template <class T>
concept Struct = requires(T& value, Writer& writer) { visit(value, writer); };

// Declared before the templates that call each other.
template <Struct T> void write(Json& json, T value);
template <Struct T> void read(const Json& json, T& value, const Context& at);
template <class T> void write(Json& json, const std::vector<T>& values);
template <class T> void read(const Json& json, std::vector<T>& values, const Context& at);
void write(Json& json, const std::vector<std::pair<std::string, std::uint64_t>>& values);
void read(const Json& json, std::vector<std::pair<std::string, std::uint64_t>>& values,
	  const Context& at);

struct Writer {
	Json json = Json::object();

	template <class T> void required(const char* key, const T& value) { write(json[key], value); }
	template <class T> void optional(const char* key, const T& value) { required(key, value); }
	template <class T> void optional(const char* key, const std::optional<T>& value)
	{
		if (value)
			required(key, *value);
	}
};

struct Reader {
	const Json& json;
	bool strict;
	std::size_t known = 0;

	template <class T> void required(const char* key, T& value)
	{
		const auto found = json.find(key);
		if (found == json.end())
			malformed(key, "missing");
		known++;
		read(*found, value, Context{key, strict});
	}
	template <class T> void optional(const char* key, T& value)
	{
		if (json.contains(key))
			required(key, value);
	}
	template <class T> void optional(const char* key, std::optional<T>& value)
	{
		if (json.contains(key))
			required(key, value.emplace());
	}
};

template <Struct T> void write(Json& json, T value)
{
	Writer writer;
	visit(value, writer);
	json = std::move(writer.json);
}

template <Struct T> void read(const Json& json, T& value, const Context& at)
{
	if (!json.is_object())
		malformed(at.key, "an object is expected");
	Reader reader{json, at.strict};
	visit(value, reader);
	if (at.strict && reader.known != json.size())
		malformed(at.key, "an unknown key in it");
}

template <class T> void write(Json& json, const std::vector<T>& values)
{
	json = Json::array();
	for (const T& value : values)
		write(json.emplace_back(), value);
}

template <class T> void read(const Json& json, std::vector<T>& values, const Context& at)
{
	if (!json.is_array())
		malformed(at.key, "an array is expected");
	if (json.size() > max_items)
		malformed(at.key, "too many");
	values.clear();
	for (const Json& each : json)
		read(each, values.emplace_back(), at);
}

void write(Json& json, const std::vector<std::pair<std::string, std::uint64_t>>& values)
{
	// Pairs, because an object would not keep their order.
	json = Json::array();
	for (const auto& [name, value] : values)
		json.push_back(Json::array({name, value}));
}

void read(const Json& json, std::vector<std::pair<std::string, std::uint64_t>>& values,
	  const Context& at)
{
	if (!json.is_array() || json.size() > max_items)
		malformed(at.key, "an array is expected");
	values.clear();
	for (const Json& each : json) {
		if (!each.is_array() || each.size() != 2)
			malformed(at.key, "pairs are expected");
		auto& [name, value] = values.emplace_back();
		read(each[0], name, at);
		read(each[1], value, at);
	}
}

template <class T> Json written(const T& value)
{
	Json json;
	write(json, value);
	return json;
}

template <class T> T read_lenient(const Json& json, const char* what)
{
	T value{};
	read(json, value, Context{what, false});
	return value;
}

template <class T> Change read_change(const Json& json)
{
	T change{};
	read(json, change, Context{"change", true});
	return change;
}

struct ChangeKind {
	const char* name;
	Change (*read)(const Json&);
};

// In the order of the variant.
constexpr ChangeKind change_kinds[] = {
	{"origin_add", read_change<OriginAdd>},
	{"origin_remove", read_change<OriginRemove>},
	{"create", read_change<Create>},
	{"remove", read_change<Remove>},
	{"extend", read_change<Extend>},
	{"activate", read_change<Activate>},
	{"deactivate", read_change<Deactivate>},
	{"rename", read_change<Rename>},
	{"merge", read_change<Merge>},
	{"merge_control", read_change<MergeControl>},
};
static_assert(std::size(change_kinds) == std::variant_size_v<Change>);

} // namespace

Json parse_untrusted(std::string_view text)
{
	const auto shallow = [](int depth, Json::parse_event_t, Json&) {
		if (depth > static_cast<int>(max_depth))
			throw Malformed("nested too deeply");
		return true;
	};
	try {
		return Json::parse(text, shallow);
	} catch (const Json::exception&) {
		throw Malformed("no JSON");
	}
}

std::string dump(const Json& json)
{
	return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Change& change)
{
	Json json = std::visit([](const auto& each) { return written(each); }, change);
	json["kind"] = change_kinds[change.index()].name;
	return json;
}

Change change_from_json(const Json& json)
{
	if (!json.is_object())
		malformed("change", "an object is expected");
	const auto kind = json.find("kind");
	if (kind == json.end())
		malformed("kind", "missing");
	std::string word;
	read(*kind, word, Context{"kind", true});
	for (const auto& each : change_kinds) {
		if (word != each.name)
			continue;
		Json rest = json;
		rest.erase("kind");
		return each.read(rest);
	}
	malformed("kind", "an unknown word");
}

Json to_json(const OriginState& state) { return written(state); }
Json to_json(const SnapshotState& state) { return written(state); }
Json to_json(const Outcome& outcome) { return written(outcome); }
Json to_json(const Event& event) { return written(event); }
Json to_json(const Finding& finding) { return written(finding); }
Json to_json(const Counters& counters) { return written(counters); }
Json to_json(const std::vector<Step>& steps) { return written(steps); }

template <> OriginState from_json(const Json& json) { return read_lenient<OriginState>(json, "origin"); }
template <> SnapshotState from_json(const Json& json) { return read_lenient<SnapshotState>(json, "snapshot"); }
template <> Outcome from_json(const Json& json) { return read_lenient<Outcome>(json, "outcome"); }
template <> Event from_json(const Json& json) { return read_lenient<Event>(json, "event"); }
template <> Finding from_json(const Json& json) { return read_lenient<Finding>(json, "finding"); }
template <> Counters from_json(const Json& json) { return read_lenient<Counters>(json, "counters"); }
template <> std::vector<Step> from_json(const Json& json) { return read_lenient<std::vector<Step>>(json, "steps"); }

} // namespace snapctl::ipc
