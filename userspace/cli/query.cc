// SPDX-License-Identifier: GPL-2.0-or-later
//
// The verbs that ask and print.
#include <algorithm>

#include "base/error.h"
#include "cli/output.h"
#include "cli/rows.h"
#include "cli/session.h"
#include "ipc/client.h"

namespace snapctl::cli {

namespace {

using engine::Health;
using engine::SnapshotState;

bool is_damaged(const SnapshotState& s)
{
	return s.health == Health::invalid || s.health == Health::merge_failed || s.health == Health::missing;
}

// What a person should look at, and why.
std::string attention(const SnapshotState& s)
{
	switch (s.health) {
	case Health::invalid: return "is lost: `snapctl remove " + s.name + "`";
	case Health::merge_failed: return "could not be merged: see the kernel's log, then `snapctl merge " + s.name + "`";
	case Health::missing: return "has lost its devices: `snapctl doctor`";
	case Health::waiting: return "has no space left and holds I/O back: `snapctl extend " + s.name + " 50%`";
	case Health::overflow: return "ran out of space and cannot be written: `snapctl extend " + s.name + " 50%`";
	case Health::active:
	case Health::inactive:
	case Health::merging: break;
	}
	if (s.merge_wanted)
		return "is merged as soon as " + s.origin + " is not in use";
	return "";
}

[[noreturn]] void not_found(const std::string& name)
{
	throw Error(Failure::not_found, "show", name, "there is no such origin or snapshot",
		    "`snapctl status` lists both.");
}

template <class State>
int print_states(Session& session, const char* key, const Columns<State>& columns, const std::vector<State>& states)
{
	auto& out = session.terminal.out;
	if (session.invocation.has("names")) {
		for (const auto& state : states)
			out << state.name << '\n';
	} else if (session.json()) {
		auto json = json_document();
		json[key] = json_rows(columns, states);
		print_json(out, json);
	} else if (!states.empty()) {
		print_list(out, columns, states);
	}
	return done;
}

} // namespace

int run_origin_list(Session& session)
{
	return print_states(session, "origins", origin_columns(), session.client().origins());
}

int run_list(Session& session)
{
	auto snapshots = session.client().snapshots();
	if (!session.invocation.operands.empty()) {
		const std::string& name = session.operand(0);
		const auto origins = session.client().origins();
		if (std::ranges::none_of(origins, [&name](const auto& o) { return o.name == name; }))
			throw Error(Failure::not_found, "list snapshots of", name, "there is no such origin",
				    "`snapctl origin list` lists them.");
		std::erase_if(snapshots, [&name](const auto& s) { return s.origin != name; });
	}
	return print_states(session, "snapshots", snapshot_columns(), snapshots);
}

int run_show(Session& session)
{
	const std::string& name = session.operand(0);
	auto& out = session.terminal.out;
	const auto print = [&](const char* key, const auto& columns, const auto& state) {
		if (session.json()) {
			auto json = json_document();
			json[key] = json_row(columns, state);
			print_json(out, json);
		} else {
			print_card(out, columns, state);
		}
		return int{done};
	};
	for (const auto& snapshot : session.client().snapshots())
		if (snapshot.name == name)
			return print("snapshot", snapshot_columns(), snapshot);
	for (const auto& origin : session.client().origins())
		if (origin.name == name)
			return print("origin", origin_columns(), origin);
	not_found(name);
}

int run_status(Session& session)
{
	auto& out = session.terminal.out;
	const auto hello = session.client().hello();
	const auto origins = session.client().origins();
	const auto snapshots = session.client().snapshots();
	const int code = std::ranges::any_of(snapshots, is_damaged) ? damage : done;
	if (session.json()) {
		auto json = json_document();
		json["daemon"] = {{"version", hello.version}, {"engine", hello.engine}, {"pid", hello.pid}};
		json["origins"] = json_rows(origin_columns(), origins);
		json["snapshots"] = json_rows(snapshot_columns(), snapshots);
		print_json(out, json);
		return code;
	}
	out << "snapctl " << hello.version << ", daemon " << hello.pid << " on " << hello.engine << ": "
	    << origins.size() << (origins.size() == 1 ? " origin, " : " origins, ") << snapshots.size()
	    << (snapshots.size() == 1 ? " snapshot\n" : " snapshots\n");
	if (!origins.empty()) {
		out << '\n';
		print_list(out, origin_columns(), origins);
	}
	if (!snapshots.empty()) {
		out << '\n';
		print_list(out, snapshot_columns(), snapshots);
	}
	std::string notes;
	for (const auto& origin : origins)
		if (origin.suspended)
			notes += origin.name + " is suspended: `snapctl doctor`\n";
	for (const auto& snapshot : snapshots)
		if (const auto note = attention(snapshot); !note.empty())
			notes += snapshot.name + ' ' + note + '\n';
	if (!notes.empty())
		out << '\n' << notes;
	return code;
}

int run_metrics(Session& session)
{
	const std::string text = session.client().metrics();
	if (session.json()) {
		auto json = json_document();
		json["metrics"] = {{"content_type", "application/openmetrics-text; version=1.0.0; charset=utf-8"},
				   {"text", text}};
		print_json(session.terminal.out, json);
	} else {
		session.terminal.out << text;
	}
	return done;
}

int run_table(Session& session)
{
	const auto lines = session.client().table(session.operand(0));
	if (session.json()) {
		auto json = json_document();
		json["lines"] = lines;
		print_json(session.terminal.out, json);
	} else {
		for (const auto& line : lines)
			session.terminal.out << line << '\n';
	}
	return done;
}

} // namespace snapctl::cli
