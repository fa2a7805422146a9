// SPDX-License-Identifier: GPL-2.0-or-later
//
// The daemon: one thread, one event loop over the control socket, the engine's
// descriptors and its timer. Its truth is the kernel and the registry; it may
// be killed and started again at any moment.
#pragma once

#include <string>

namespace snapctl::daemon {

struct Options {
	std::string config; // "" is the default's place
	std::string socket; // "" is the configuration's
	bool simulate = false;
	std::string version;
};

// Until SIGTERM or SIGINT; answers the exit code. Throws when it cannot start.
int run(const Options& options);

} // namespace snapctl::daemon
