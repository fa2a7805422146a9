// SPDX-License-Identifier: GPL-2.0-or-later
//
// Another program, without a shell: its arguments are what is given here.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace snapctl {

struct ProgramResult {
	int status = 0;      // its exit code; 128 + n when signal n ended it
	std::string output;  // the first mebibyte of its standard output
	std::string errors;  // the same of its standard error
};

// Runs argv[0], found on a fixed path of system folders unless it has a slash,
// with a fixed environment (LC_ALL=C), standard input from /dev/null and no
// descriptor of ours. Waits for its end; kills it when the time is over, which
// is an Error, as is a program that is not there. An exit code is a value.
[[nodiscard]] ProgramResult run_program(const std::vector<std::string>& argv,
					std::chrono::milliseconds limit = std::chrono::seconds{60});

} // namespace snapctl
