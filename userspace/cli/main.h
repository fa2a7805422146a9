// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace snapctl::cli {

struct DaemonOptions {
	std::string config; // "" is the default's place
	std::string socket; // "" is the configuration's
	bool simulate = false;
};

// Parses, runs, prints, and answers the exit code. `daemon` is what the verb of
// that name runs: the command line knows nothing of engines.
int main(int argc, char** argv, int (*daemon)(const DaemonOptions&));

} // namespace snapctl::cli
