// SPDX-License-Identifier: GPL-2.0-or-later
//
// Quantities that must not be mixed up. All are unsigned 64-bit counts; a
// conversion has a name.
#pragma once

#include <compare>
#include <cstdint>

namespace snapctl {

template <class Tag>
struct Quantity {
	std::uint64_t count = 0;

	constexpr Quantity() = default;
	constexpr explicit Quantity(std::uint64_t n) : count{n} {}
	constexpr auto operator<=>(const Quantity&) const = default;
	constexpr Quantity operator+(Quantity o) const { return Quantity{count + o.count}; }
	constexpr Quantity operator-(Quantity o) const { return Quantity{count - o.count}; }
};

using Sectors = Quantity<struct SectorsTag>; // of 512 bytes, as device-mapper counts
using Bytes = Quantity<struct BytesTag>;
using Percent = Quantity<struct PercentTag>; // 0 and up: 120 % is a size too

constexpr Bytes to_bytes(Sectors s) { return Bytes{s.count * 512}; }
// Rounded up: what has this many bytes needs as many sectors.
constexpr Sectors to_sectors(Bytes b) { return Sectors{(b.count + 511) / 512}; }

} // namespace snapctl
