// SPDX-License-Identifier: GPL-2.0-or-later
//
// /etc/snapctl/snapctl.toml. userspace/data/snapctl.toml is the commented
// default; a test holds the two together.
#pragma once

#include <string>
#include <string_view>

#include "base/units.h"

namespace snapctl {

struct Config {
	// [daemon]
	std::string state_directory = "/var/lib/snapctl";
	std::string socket = "/run/snapctl/socket";
	std::string read_group; // who may ask without being root; "" is nobody

	// [space]
	std::string cow_directory = "/var/lib/snapctl/cow";

	// [extend]
	bool extend_file = true;
	bool extend_volume_group = true;
	Percent threshold{80}; // 0 and 100 both switch it off
	Percent step{50};      // of the present size
	Percent maximum{0};    // of the origin's size; 0: what the worst case needs

	// [full]
	std::uint64_t no_space_timeout = 60; // seconds; 0 waits for ever
};

inline constexpr const char* default_config_path = "/etc/snapctl/snapctl.toml";

// What the text leaves out has its default. Throws Error that names the line,
// also for a key that does not exist. `name` is for the error's text.
[[nodiscard]] Config parse_config(std::string_view text, std::string_view name = "configuration");
// The defaults when there is no such file.
[[nodiscard]] Config load_config(const std::string& path = default_config_path);

// Volumes have to be active before file systems are mounted, so the registry belongs on the root
// file system. Throws where it is on one that is not mounted yet: what is there now is not it.
void check_state_is_mounted(const Config& config);
// What to do about a registry that is elsewhere.
[[nodiscard]] std::string advice_on_state(const Config& config);

} // namespace snapctl
