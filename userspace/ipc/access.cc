// SPDX-License-Identifier: GPL-2.0-or-later
#include "ipc/access.h"

#include <grp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"

namespace snapctl::ipc {

Right Access::of(const Peer& peer) const noexcept
{
	if (peer.uid == 0 || peer.uid == self)
		return Right::change;
	if (readers && (peer.gid == *readers || std::ranges::find(peer.groups, *readers) != peer.groups.end()))
		return Right::read;
	return Right::nothing;
}

Peer peer_of(int socket)
{
	ucred credentials{};
	socklen_t length = sizeof(credentials);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
		throw Error::from_errno(errno, "find out who asks", "control socket");
	Peer peer{credentials.pid, credentials.uid, credentials.gid, {}};

	std::vector<gid_t> groups(64);
	for (;;) {
		length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
		if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) == 0)
			break;
		if (errno != ERANGE)
			throw Error::from_errno(errno, "find out who asks", "control socket");
		groups.resize(length / sizeof(gid_t));
	}
	groups.resize(length / sizeof(gid_t));
	peer.groups = std::move(groups);
	return peer;
}

std::optional<gid_t> find_group(const std::string& name)
{
	if (name.empty())
		return std::nullopt;
	std::array<char, 64 * 1024> buffer{};
	group entry{};
	group* found = nullptr;
	const int error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
	if (error)
		throw Error::from_errno(error, "look up group", name);
	if (!found)
		throw Error(Failure::not_found, "look up group", name, "there is no such group",
			    "Correct read_group in the configuration.");
	return found->gr_gid;
}

} // namespace snapctl::ipc
