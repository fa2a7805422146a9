// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is on a device that is about to be used as a store: a device given by
// hand may be the wrong one.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "base/units.h"

namespace snapctl::store {

// As much of the device as find_signature() wants to see; less is fine.
inline constexpr std::size_t signature_window = 72 * 1024;

// The name of what it recognises at the start of a device ("ext2/3/4", "LUKS",
// "partition table"); a snapshot store counts too. Nothing: as far as one can tell it is free.
[[nodiscard]] std::optional<std::string> find_signature(std::span<const std::byte> start);

// The header of a persistent store.
struct Header {
	bool valid = false;
	Bytes chunk;
};
// Nothing when it is none; of another version it is none either.
[[nodiscard]] std::optional<Header> parse_header(std::span<const std::byte> start);

} // namespace snapctl::store
