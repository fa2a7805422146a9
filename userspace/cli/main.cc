// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/main.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "base/error.h"
#include "cli/session.h"
#include "ipc/client.h"

namespace snapctl::cli {

namespace {

int (*daemon_main)(const DaemonOptions&) = nullptr;

Terminal standard_terminal()
{
	Terminal terminal{std::cout, std::cerr, isatty(STDERR_FILENO) == 1, 80};
	winsize size{};
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
		terminal.width = size.ws_col;
	return terminal;
}

void complain(const std::string& text, const std::string& advice)
{
	std::cerr << "snapctl: " << text << '\n';
	if (!advice.empty())
		std::cerr << advice << '\n';
}

int run(std::span<const std::string> words)
{
	if (words.size() == 1 && (words[0] == "--version" || words[0] == "-V")) {
		std::cout << "snapctl " << version << '\n';
		return done;
	}
	std::vector<std::string> asked{words.begin(), words.end()};
	// `snapctl --help` and `snapctl` alone.
	if (words.empty() || words[0] == "--help" || words[0] == "-h")
		asked = {"help"};
	Invocation invocation = parse_command_line(asked);
	if (invocation.has("help")) {
		const std::string verb = invocation.verb->name;
		invocation = parse_command_line(std::vector<std::string>{"help", verb});
	}
	Session session{std::move(invocation), standard_terminal()};
	const int code = session.invocation.verb->run(session);
	if (words.empty()) // help was given, but nothing was asked
		return usage;
	return code;
}

} // namespace

int run_daemon(Session& session)
{
	const Invocation& given = session.invocation;
	return daemon_main({given.get("config").value_or(""), given.get("socket").value_or(""), given.has("simulate")});
}

int main(int argc, char** argv, int (*daemon)(const DaemonOptions&))
{
	daemon_main = daemon;
	int code = failed;
	try {
		code = run(std::vector<std::string>{argv + std::min(argc, 1), argv + argc});
		std::cout.flush();
		if (!std::cout) {
			complain("cannot write the output", "");
			return failed;
		}
	} catch (const UsageError& error) {
		complain(error.what(), "`snapctl help VERB` says how it is used.");
		code = usage;
	} catch (const ipc::Unreachable& error) {
		complain(error.what(), error.advice());
		code = unreachable;
	} catch (const ipc::Declined& error) {
		complain(error.what(), error.advice());
		code = error.code() == "damaged" ? damage : failed;
	} catch (const Error& error) {
		complain(error.what(), error.advice());
	} catch (const std::exception& error) {
		complain(error.what(), "");
	}
	return code;
}

} // namespace snapctl::cli
