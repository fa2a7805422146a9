// SPDX-License-Identifier: GPL-2.0-or-later
//
// One run of snapctl: what was asked, where to print, whom to ask.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "cli/verb.h"
#include "engine/engine.h"

namespace snapctl::ipc {
class Client;
}

namespace snapctl::cli {

inline constexpr const char* version = SNAPCTL_VERSION;

struct Terminal {
	std::ostream& out;
	std::ostream& err;
	bool err_is_terminal = false; // where progress is shown
	unsigned width = 80;
};

class Session {
public:
	Session(Invocation given, Terminal streams);
	~Session();

	Invocation invocation;
	Terminal terminal;

	[[nodiscard]] bool json() const { return invocation.has("json"); }
	[[nodiscard]] bool dry_run() const { return invocation.has("dry-run"); }
	[[nodiscard]] const std::string& operand(std::size_t i) const { return invocation.operands.at(i); }

	// The one whose configuration is the default one.
	[[nodiscard]] bool asks_default_daemon() const;
	// Connected at the first request.
	[[nodiscard]] ipc::Client& client();
	[[nodiscard]] ipc::Client another_client();

private:
	[[nodiscard]] std::string socket_path() const;
	std::unique_ptr<ipc::Client> client_;
};

void print_steps(std::ostream& out, const std::vector<engine::Step>& steps);

// Plans it and prints the plan with --dry-run, otherwise does it and prints how
// it went. What the file systems of the origins that it suspends hold back in memory is
// written first.
int carry_out(Session& session, const engine::Change& change, const std::vector<std::string>& suspends = {});

// "20%" or "10G"; throws UsageError that names the option.
[[nodiscard]] engine::Size size_from(const std::string& text, const std::string& option);
[[nodiscard]] Bytes bytes_from(const std::string& text, const std::string& option);

// What the verbs of the registry do; each returns an ExitCode.
int run_origin_add(Session& session);
int run_origin_remove(Session& session);
int run_create(Session& session);
int run_remove(Session& session);
int run_extend(Session& session);
int run_activate(Session& session);
int run_deactivate(Session& session);
int run_rename(Session& session);
int run_merge(Session& session);
int run_watch(Session& session);
int run_doctor(Session& session);
int run_activate_all(Session& session);
int run_help(Session& session);
int run_list(Session& session);
int run_origin_list(Session& session);
int run_show(Session& session);
int run_status(Session& session);
int run_metrics(Session& session);
int run_table(Session& session);
int run_daemon(Session& session); // what main was given

} // namespace snapctl::cli
