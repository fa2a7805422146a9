// SPDX-License-Identifier: GPL-2.0-or-later
//
// What systemd is told, and the socket that it hands over. Without systemd all
// of this does nothing.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/unique_fd.h"

namespace snapctl::daemon {

void notify(const std::string& state); // "READY=1"

// How often WATCHDOG=1 is expected.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval();

// The listening socket, if systemd made it. Throws Error when it handed over
// something else.
[[nodiscard]] std::optional<UniqueFd> inherited_socket();
// Where it is in the file system.
[[nodiscard]] std::string path_of(const UniqueFd& socket);

} // namespace snapctl::daemon
