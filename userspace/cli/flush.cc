// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/flush.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/mounts.h"
#include "base/unique_fd.h"
#include "ipc/client.h"

namespace snapctl::cli {

namespace {

// btrfs and others have numbers of their own, but say their device.
bool lies_on(const Mount& mount, const engine::OriginState& origin)
{
	std::error_code none;
	return mount.number == origin.major_minor ||
	       (mount.number.starts_with("0:") && mount.source.starts_with("/") &&
		std::filesystem::equivalent(mount.source, origin.device_node, none));
}

// Something else may be mounted over it. Where a file system has no device of its number, its
// folders have others again.
bool is_root_of(const Mount& mount, int fd)
{
	struct stat its{};
	if (fstat(fd, &its) < 0)
		return false;
	return mount.number.starts_with("0:") ||
	       std::to_string(major(its.st_dev)) + ':' + std::to_string(minor(its.st_dev)) == mount.number;
}

void flush(const engine::OriginState& origin)
{
	for (const Mount& mount : mounts()) {
		if (!mount.writable || !lies_on(mount, origin))
			continue;
		const UniqueFd root{open(mount.point.c_str(), O_RDONLY | O_CLOEXEC)};
		if (root && is_root_of(mount, root.get()) && syncfs(root.get()) == 0)
			break; // its other mounts are the same file system
	}
	// What was written to the device itself.
	if (const UniqueFd device{open(origin.device_node.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)})
		fsync(device.get());
}

} // namespace

void flush_file_systems(ipc::Client& client, const std::vector<std::string>& origins)
{
	for (const engine::OriginState& origin : client.origins())
		if (!origin.suspended && std::find(origins.begin(), origins.end(), origin.name) != origins.end())
			flush(origin);
}

} // namespace snapctl::cli
