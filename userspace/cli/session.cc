// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/session.h"

#include <cstdlib>

#include "base/config.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/flush.h"
#include "cli/output.h"
#include "cli/rows.h"
#include "ipc/client.h"

namespace snapctl::cli {

Session::Session(Invocation given, Terminal streams) : invocation{std::move(given)}, terminal{streams} {}

Session::~Session() = default;

bool Session::asks_default_daemon() const
{
	const char* given = std::getenv("SNAPCTL_SOCKET");
	return !invocation.has("socket") && !(given && *given);
}

std::string Session::socket_path() const
{
	if (const auto given = invocation.get("socket"))
		return *given;
	if (const char* given = std::getenv("SNAPCTL_SOCKET"); given && *given)
		return given;
	return load_config().socket;
}

ipc::Client& Session::client()
{
	if (!client_)
		client_ = std::make_unique<ipc::Client>(socket_path());
	return *client_;
}

ipc::Client Session::another_client() { return ipc::Client{socket_path()}; }

void print_steps(std::ostream& out, const std::vector<engine::Step>& steps)
{
	if (steps.empty())
		out << "nothing to do\n";
	for (std::size_t i = 0; i < steps.size(); i++)
		out << i + 1 << ". " << steps[i].text << '\n';
}

int carry_out(Session& session, const engine::Change& change, const std::vector<std::string>& suspends)
{
	auto& out = session.terminal.out;
	if (session.dry_run()) {
		const auto steps = session.client().plan(change);
		if (session.json()) {
			auto json = json_document();
			json["plan"] = json_rows(step_columns(), steps);
			print_json(out, json);
		} else {
			print_steps(out, steps);
		}
		return done;
	}
	if (!suspends.empty()) {
		// What will be refused, as where writes wait already, is not worth waiting for.
		(void)session.client().plan(change);
		flush_file_systems(session.client(), suspends);
	}
	// Another connection: an idle one is closed after a while.
	const auto outcome = suspends.empty() ? session.client().apply(change) : session.another_client().apply(change);
	if (session.json()) {
		auto json = json_document();
		json["outcome"] = json_row(outcome_columns(), outcome);
		print_json(out, json);
	} else {
		out << outcome.text << '\n';
		if (outcome.stood_still)
			out << "I/O stood still for " << text_of(*outcome.stood_still) << '\n';
	}
	return done;
}

engine::Size size_from(const std::string& text, const std::string& option)
{
	try {
		return parse_size(text);
	} catch (const Error& error) {
		throw UsageError(option + ": " + error.what());
	}
}

Bytes bytes_from(const std::string& text, const std::string& option)
{
	try {
		return parse_bytes(text);
	} catch (const Error& error) {
		throw UsageError(option + ": " + error.what());
	}
}

} // namespace snapctl::cli
