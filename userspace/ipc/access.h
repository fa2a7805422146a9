// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who is at the other end of a connection, and what that one may do.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace snapctl::ipc {

// As the kernel noted it when the connection was made. Whoever the socket is
// handed to later has no more rights than its maker: a program with more
// rights that is talked into writing to it lends them to nobody.
struct Peer {
	pid_t pid = 0;
	uid_t uid = static_cast<uid_t>(-1);
	gid_t gid = static_cast<gid_t>(-1);
	std::vector<gid_t> groups; // supplementary
};

enum class Right { nothing, read, change };

struct Access {
	uid_t self = 0;               // who runs the daemon may change, as root may
	std::optional<gid_t> readers; // members may read

	[[nodiscard]] Right of(const Peer& peer) const noexcept;
};

// Of the other end of a connected unix socket. Throws Error.
[[nodiscard]] Peer peer_of(int socket);

// Throws Error when there is no such group. "" is nobody.
[[nodiscard]] std::optional<gid_t> find_group(const std::string& name);

} // namespace snapctl::ipc
