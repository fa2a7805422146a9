// SPDX-License-Identifier: GPL-2.0-or-later
//
// Self-describing sectors. The 512 bytes of a sector are a pure function of its
// number and of a stamp, so a test keeps 8 bytes per sector and still compares
// every byte, needs no second copy of what was there, and can say of a wrong
// sector where its data came from.
//
// A cell is what a model remembers of one sector:
//   0                      the original pattern, as `pattern write` lays it down
//   bit 63 clear           a stamp: written by a test, which run, device, sequence
//   cell_zero              512 zero bytes
//   cell_any               anything (a discarded sector)
//   bit 63 set otherwise   a hash of data that is not ours
#ifndef TOOLS_SECTOR_H
#define TOOLS_SECTOR_H

#include "base.h"

namespace tools {

using Cell = std::uint64_t;

inline constexpr Cell cell_original = 0;
inline constexpr Cell cell_opaque = std::uint64_t{1} << 63;
inline constexpr Cell cell_zero = cell_opaque;
inline constexpr Cell cell_any = ~std::uint64_t{0};
inline constexpr unsigned stamp_sequence_bits = 40;
inline constexpr std::uint64_t stamp_sequence_mask = (std::uint64_t{1} << stamp_sequence_bits) - 1;

// @run 19 bits, @device 4 bits, @sequence 40 bits (from 1 on).
[[nodiscard]] Cell make_stamp(std::uint64_t run, unsigned device, std::uint64_t sequence);
[[nodiscard]] std::uint64_t stamp_run(Cell stamp);

// Fills @into (whole sectors) with what @stamp says of the sectors from @sector on.
void sectors_fill(std::span<std::byte> into, std::uint64_t sector, Cell stamp);

// The cell that describes these 512 bytes at @sector.
[[nodiscard]] Cell sector_classify(const std::byte *data, std::uint64_t sector);

// True when the 512 bytes are what @cell says of @sector.
[[nodiscard]] bool sector_matches(const std::byte *data, std::uint64_t sector, Cell cell);

// The sector number that a self-describing sector names, and its stamp.
struct SectorName {
	std::uint64_t sector;
	Cell stamp;
};
[[nodiscard]] std::optional<SectorName> sector_name(const std::byte *data);

// For people: "run 17 device 0 sequence 45", "the original pattern", "zeroes" ...
[[nodiscard]] std::string cell_text(Cell cell);
// What the bytes are, as seen from @sector: also "sector 99 of run ...", "torn".
[[nodiscard]] std::string sector_text(const std::byte *data, std::uint64_t sector);
// The first byte of @data that is not as @cell says; nothing where a cell cannot tell.
[[nodiscard]] std::optional<unsigned> sector_first_difference(const std::byte *data, std::uint64_t sector,
							      Cell cell);

} // namespace tools

#endif
