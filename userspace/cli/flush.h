// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a file system holds back in memory, written before its volume is suspended. Suspending
// writes it too, but then I/O stands still for as long as that takes, and a snapshot that
// it fills is lost: nobody can wait for space in a device that is being suspended, and
// the daemon, which would find some, is waiting itself.
#pragma once

#include <string>
#include <vector>

namespace snapctl::ipc {
class Client;
}

namespace snapctl::cli {

// Of these origins. Takes as long as it takes; the daemon serves others meanwhile. What
// cannot be written is left to the suspend, which says so.
void flush_file_systems(ipc::Client& client, const std::vector<std::string>& origins);

} // namespace snapctl::cli
