// SPDX-License-Identifier: GPL-2.0-or-later
//
// The header of a persistent store.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/units.h"

namespace snapctl::store {

// As much of the device as parse_header() wants to see; less is no header.
inline constexpr std::size_t header_bytes = 4096;

struct Header {
	bool valid = false;
	Bytes chunk;
};
// Nothing when it is none; of another version it is none either.
[[nodiscard]] std::optional<Header> parse_header(std::span<const std::byte> start);

} // namespace snapctl::store
