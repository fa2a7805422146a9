// SPDX-License-Identifier: GPL-2.0-or-later
//
// The file systems that are mounted, as proc_pid_mountinfo(5) tells them, and those that
// fstab(5) says are to be.
#pragma once

#include <istream>
#include <optional>
#include <string>
#include <vector>

namespace snapctl {

struct Mount {
	std::string number; // "253:0"; major 0: the file system has no device of that number
	std::string point;
	std::string type;
	std::string source;	// mostly a device
	bool writable = false; // the file system, whatever this mount of it is
};

// Lines that make no sense are left out.
[[nodiscard]] std::vector<Mount> parse_mounts(std::istream& mountinfo);
// Those that this process sees.
[[nodiscard]] std::vector<Mount> mounts();

// The file system of its own, by its mount point, that a path lies on according to fstab; none
// where that is the root file system, or one that is not mounted at boot. No links are followed.
[[nodiscard]] std::optional<std::string> parse_fstab_for(const std::string& path, std::istream& fstab);
// The same of /etc/fstab, with the links of the path followed.
[[nodiscard]] std::optional<std::string> fstab_mount_of(const std::string& path);

} // namespace snapctl
