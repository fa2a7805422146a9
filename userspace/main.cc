// SPDX-License-Identifier: GPL-2.0-or-later
//
// One program: `snapctl daemon` is the daemon, every other verb speaks to it.
#include "cli/main.h"
#include "daemon/daemon.h"

namespace {

int run_daemon(const snapctl::cli::DaemonOptions& options)
{
	return snapctl::daemon::run({options.config, options.socket, options.simulate, SNAPCTL_VERSION});
}

} // namespace

int main(int argc, char** argv) { return snapctl::cli::main(argc, argv, run_daemon); }
