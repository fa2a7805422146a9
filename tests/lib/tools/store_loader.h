// SPDX-License-Identifier: GPL-2.0-or-later
//
// Loads a v1 store as the module does: up to the first fault, into an index of
// the same code, and accepts nothing that the format refuses. store_scan is its
// counterpart that goes on and lists everything that is wrong.
#ifndef TOOLS_STORE_LOADER_H
#define TOOLS_STORE_LOADER_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

extern "C" {
#include "snap_area.h"
#include "snap_format.h"
#include "snap_index.h"
}

namespace tools {

// A snap_index that owns its memory.
class ChunkIndex {
public:
	ChunkIndex();
	ChunkIndex(ChunkIndex &&other) noexcept;
	ChunkIndex &operator=(ChunkIndex &&other) noexcept;
	ChunkIndex(const ChunkIndex &) = delete;
	ChunkIndex &operator=(const ChunkIndex &) = delete;
	~ChunkIndex();

	// 0 or the -errno of core; memory never runs short.
	[[nodiscard]] int insert(const snap_run &run);
	[[nodiscard]] int remove(const snap_run &run);
	// The mapped run from @chunk on, or nothing.
	[[nodiscard]] std::optional<snap_run> find(chunk_t chunk) const;
	// The first run that ends behind @from, or nothing.
	[[nodiscard]] std::optional<snap_run> next(chunk_t from) const;

	[[nodiscard]] const snap_index &raw() const { return index_; }

private:
	void refill();

	snap_index index_;
	snap_index_spare spare_;
};

// Where and why a store was refused.
struct StoreFault {
	std::string reason;
	std::uint64_t offset = 0;	    // of the number that is wrong, in bytes on the COW device
	std::optional<std::uint64_t> entry; // counted from the first of the store
	chunk_t old_chunk = 0;
	chunk_t new_chunk = 0;

	// "entry 3 at byte 560: reason (old chunk 4, new chunk 5)"
	[[nodiscard]] std::string text() const;
};

enum class StoreState {
	fresh,	 // to be formatted, nothing was read behind the header
	active,	 // loaded
	invalid, // the header says so; nothing was read behind it
};

struct LoadedStore {
	StoreState state = StoreState::fresh;
	snap_header header{};
	snap_geometry geometry{};
	ChunkIndex by_old;
	std::uint64_t nr_entries = 0;
	chunk_t next_free = 0;
};

struct LoadLimits {
	std::uint64_t cow_sectors;
	std::optional<std::uint64_t> origin_sectors; // unknown: any origin
	std::uint32_t cow_block_bytes = 512;
	std::uint32_t origin_block_bytes = 512;
};

// Fills the span from a byte offset on the COW device; false: cannot.
using LoadReader = std::function<bool(std::uint64_t offset, std::span<std::byte> into)>;

[[nodiscard]] std::variant<LoadedStore, StoreFault> load_store(const LoadReader &read, const LoadLimits &limits);

} // namespace tools

#endif
