// SPDX-License-Identifier: GPL-2.0-or-later
//
// The file systems that are mounted, as proc_pid_mountinfo(5) tells them.
#pragma once

#include <istream>
#include <string>
#include <vector>

namespace snapctl {

struct Mount {
	std::string number; // "253:0"; major 0: the file system has no device of that number
	std::string point;
	std::string source;	// mostly a device
	bool writable = false; // the file system, whatever this mount of it is
};

// Lines that make no sense are left out.
[[nodiscard]] std::vector<Mount> parse_mounts(std::istream& mountinfo);
// Those that this process sees.
[[nodiscard]] std::vector<Mount> mounts();

} // namespace snapctl
