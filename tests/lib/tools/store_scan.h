// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reads a v1 store as a checker does: it does not stop at the first fault but
// lists what is wrong, where. Built on kernel/core, so numbers mean here what
// they mean to the module.
#ifndef TOOLS_STORE_SCAN_H
#define TOOLS_STORE_SCAN_H

#include "base.h"

extern "C" {
#include "snap_area.h"
#include "snap_format.h"
}

namespace tools {

// Fills the span from a byte offset on the COW device.
using StoreReader = std::function<void(std::uint64_t offset, std::span<std::byte> into)>;

struct StoreEntry {
	chunk_t old_chunk;
	chunk_t new_chunk;
	bool operator==(const StoreEntry &) const = default;
};

struct StoreScan {
	snap_header_kind kind = SNAP_HEADER_FRESH;
	std::uint32_t magic = 0;
	snap_header header{};
	bool chunk_size_good = false; // geometry and everything below are meaningful
	snap_geometry geometry{};
	std::vector<StoreEntry> entries; // in the order they were appended, faulty ones too
	std::uint64_t nr_areas = 0;	 // areas that the chain goes through
	chunk_t next_free = 0;		 // as a load computes it
	std::uint64_t nr_stale = 0;	 // entries that are not zero behind the terminator in the last area
	std::vector<std::string> damage;
};

struct StoreScanOptions {
	std::optional<std::uint64_t> origin_sectors; // unknown: old chunks are not bounded
	bool strict = false;			     // stale entries and a non-zero header tail are damage
	bool enter_invalid = true;		     // walk the areas of an invalidated store too
	std::size_t max_damage = 32;
};

[[nodiscard]] StoreScan scan_store(const StoreReader &read, std::uint64_t cow_sectors,
				   const StoreScanOptions &options);

} // namespace tools

#endif
