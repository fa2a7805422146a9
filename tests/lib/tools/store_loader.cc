// SPDX-License-Identifier: GPL-2.0-or-later
#include "store_loader.h"

#include <algorithm>
#include <new>
#include <vector>

namespace tools {

namespace {

// Areas are read in pieces of at most this size; a chunk may have a gigabyte.
constexpr std::uint64_t piece_bytes = 64 << 10;

} // namespace

ChunkIndex::ChunkIndex()
{
	snap_index_init(&index_);
	snap_index_spare_init(&spare_);
}

ChunkIndex::ChunkIndex(ChunkIndex &&other) noexcept : ChunkIndex()
{
	*this = std::move(other);
}

ChunkIndex &ChunkIndex::operator=(ChunkIndex &&other) noexcept
{
	std::swap(index_, other.index_);
	std::swap(spare_, other.spare_);
	return *this;
}

ChunkIndex::~ChunkIndex()
{
	while (void *memory = snap_index_dismantle(&index_))
		std::free(memory);
	while (void *memory = snap_index_spare_take(&spare_))
		std::free(memory);
}

void ChunkIndex::refill()
{
	while (spare_.nr < snap_index_spare_needed(&index_)) {
		void *memory = std::aligned_alloc(64, SNAP_INDEX_NODE_BYTES);
		if (!memory)
			throw std::bad_alloc();
		snap_index_spare_put(&spare_, memory);
	}
}

int ChunkIndex::insert(const snap_run &run)
{
	refill();
	return snap_index_insert(&index_, &run, &spare_);
}

int ChunkIndex::remove(const snap_run &run)
{
	refill();
	return snap_index_remove(&index_, &run, &spare_);
}

std::optional<snap_run> ChunkIndex::find(chunk_t chunk) const
{
	snap_run run;
	if (!snap_index_lookup(&index_, chunk, &run))
		return std::nullopt;
	return run;
}

std::optional<snap_run> ChunkIndex::next(chunk_t from) const
{
	snap_run run;
	if (!snap_index_next(&index_, from, &run))
		return std::nullopt;
	return run;
}

std::string StoreFault::text() const
{
	std::string out;
	if (entry)
		out += "entry " + std::to_string(*entry) + " at ";
	out += "byte " + std::to_string(offset) + ": " + reason;
	if (entry)
		out += " (old chunk " + std::to_string(old_chunk) + ", new chunk " + std::to_string(new_chunk) + ")";
	return out;
}

namespace {

class Loader {
public:
	Loader(const LoadReader &read, const LoadLimits &limits) : read_(read), limits_(limits) {}

	std::variant<LoadedStore, StoreFault> run()
	{
		if (auto fault = read_header())
			return std::move(*fault);
		if (store_.state == StoreState::active) {
			if (auto fault = read_areas())
				return std::move(*fault);
			store_.next_free = snap_data_chunk_from(&store_.geometry, highest_new_ + 1);
		}
		return std::move(store_);
	}

private:
	using Fault = std::optional<StoreFault>;

	static Fault fault_at(std::uint64_t offset, std::string reason)
	{
		StoreFault fault;
		fault.reason = std::move(reason);
		fault.offset = offset;
		return fault;
	}

	Fault read_header()
	{
		snap_header_disk disk;
		if (!read_(0, std::as_writable_bytes(std::span(&disk, 1))))
			return fault_at(0, "the header cannot be read");

		switch (snap_header_unpack(&disk, &store_.header)) {
		case SNAP_HEADER_FRESH:
			return std::nullopt;
		case SNAP_HEADER_STORE:
			break;
		case SNAP_HEADER_BAD_VERSION:
			return fault_at(offsetof(snap_header_disk, version),
					"unknown version " + std::to_string(store_.header.version));
		case SNAP_HEADER_FOREIGN:
		default:
			return fault_at(offsetof(snap_header_disk, magic), "not a store");
		}
		if (const char *reason = snap_chunk_sectors_fault(store_.header.chunk_sectors,
								  limits_.origin_block_bytes, limits_.cow_block_bytes))
			return fault_at(offsetof(snap_header_disk, chunk_sectors), reason);

		store_.state = store_.header.valid ? StoreState::active : StoreState::invalid;
		snap_geometry_init(&store_.geometry, store_.header.chunk_sectors, limits_.cow_sectors);
		// A last chunk that is not whole can have an exception too.
		if (limits_.origin_sectors)
			origin_chunks_ = *limits_.origin_sectors / store_.header.chunk_sectors +
					 (*limits_.origin_sectors % store_.header.chunk_sectors != 0);
		origin_chunks_ = std::min<std::uint64_t>(origin_chunks_, SNAP_MAX_CHUNKS);
		return std::nullopt;
	}

	Fault read_areas()
	{
		const std::uint64_t chunk_bytes = std::uint64_t{store_.geometry.chunk_sectors} << SNAP_SECTOR_SHIFT;

		for (std::uint64_t area = 0; !terminated_; area++) {
			const chunk_t chunk = snap_area_chunk(&store_.geometry, area);
			if (chunk >= store_.geometry.nr_chunks)
				return fault_at(chunk * chunk_bytes, "the list of entries runs off the device");
			for (std::uint64_t done = 0; done < chunk_bytes && !terminated_; done += piece_bytes) {
				const std::uint64_t nr = std::min(piece_bytes, chunk_bytes - done);
				if (auto fault = read_piece(chunk * chunk_bytes + done, nr))
					return fault;
			}
		}
		return std::nullopt;
	}

	Fault read_piece(std::uint64_t offset, std::uint64_t bytes)
	{
		entries_.resize(bytes / SNAP_ENTRY_BYTES);
		if (!read_(offset, std::as_writable_bytes(std::span(entries_))))
			return fault_at(offset, "a metadata area cannot be read");

		for (std::size_t i = 0; i < entries_.size(); i++) {
			chunk_t old_chunk, new_chunk;
			snap_entry_unpack(&entries_[i], &old_chunk, &new_chunk);
			if (!new_chunk) {
				terminated_ = true;
				break;
			}
			if (auto reason = take_entry(old_chunk, new_chunk)) {
				Fault fault = fault_at(offset + i * SNAP_ENTRY_BYTES, *reason);
				fault->entry = store_.nr_entries;
				fault->old_chunk = old_chunk;
				fault->new_chunk = new_chunk;
				return fault;
			}
		}
		return std::nullopt;
	}

	std::optional<std::string> take_entry(chunk_t old_chunk, chunk_t new_chunk)
	{
		if (const char *reason = snap_entry_fault(&store_.geometry, origin_chunks_, old_chunk, new_chunk))
			return reason;
		if (store_.by_old.insert({old_chunk, new_chunk, 1}) < 0)
			return "the old chunk is in the store twice";
		if (by_new_.insert({new_chunk, old_chunk, 1}) < 0)
			return "the new chunk is in the store twice";
		highest_new_ = std::max(highest_new_, new_chunk);
		store_.nr_entries++;
		return std::nullopt;
	}

	const LoadReader &read_;
	const LoadLimits &limits_;
	LoadedStore store_;
	ChunkIndex by_new_;
	std::vector<snap_entry_disk> entries_;
	std::uint64_t origin_chunks_ = SNAP_MAX_CHUNKS;
	chunk_t highest_new_ = 1; // as if area 0 were the last one in use
	bool terminated_ = false;
};

} // namespace

std::variant<LoadedStore, StoreFault> load_store(const LoadReader &read, const LoadLimits &limits)
{
	return Loader(read, limits).run();
}

} // namespace tools
