// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is on a device that is about to be used as a store: a device given by hand may be
// the wrong one.
#pragma once

#include <optional>
#include <string>

namespace snapctl::engine {

// What libblkid recognises on a device or in a file ("ext4", "LVM2_member", "gpt partition table"; a
// store is "DM_snapshot_cow"). Nothing: as far as one can tell it is free. Throws Error.
[[nodiscard]] std::optional<std::string> find_content(const std::string& path);

} // namespace snapctl::engine
