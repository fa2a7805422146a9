// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <cerrno>

#include "base/error.h"

namespace snapctl::daemon {

void notify(const std::string& state) { (void)sd_notify(0, state.c_str()); }

std::optional<std::chrono::microseconds> watchdog_interval()
{
	std::uint64_t us = 0;
	if (sd_watchdog_enabled(0, &us) <= 0)
		return std::nullopt;
	return std::chrono::microseconds{us};
}

std::optional<UniqueFd> inherited_socket()
{
	const int count = sd_listen_fds(1);
	if (count == 0)
		return std::nullopt;
	if (count != 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, nullptr, 0) <= 0)
		throw Error(Failure::refused, "start", "daemon",
			    "what it was handed is not one listening unix stream socket",
			    "Correct snapctl.socket.");
	return UniqueFd{SD_LISTEN_FDS_START};
}

std::string path_of(const UniqueFd& socket)
{
	sockaddr_un address{};
	socklen_t length = sizeof(address);
	if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) < 0)
		throw Error::from_errno(errno, "start", "the socket that was handed over");
	return address.sun_path;
}

} // namespace snapctl::daemon
