// SPDX-License-Identifier: GPL-2.0-or-later
#include "store_scan.h"

#include <algorithm>
#include <cstring>

namespace tools {

namespace {

std::string entry_place(const StoreScan &scan, std::size_t index)
{
	const std::uint64_t per_area = scan.geometry.entries_per_area;
	return "area " + std::to_string(index / per_area) + " entry " + std::to_string(index % per_area) +
	       " (old " + std::to_string(scan.entries[index].old_chunk) + ", new " +
	       std::to_string(scan.entries[index].new_chunk) + "): ";
}

class Scanner {
public:
	Scanner(const StoreReader &read, std::uint64_t cow_sectors, const StoreScanOptions &options)
		: read_(read), cow_sectors_(cow_sectors), options_(options)
	{
	}

	StoreScan run()
	{
		if (!scan_header())
			return std::move(scan_);
		scan_areas();
		check_entries();
		check_twice("old", [](const StoreEntry &entry) { return entry.old_chunk; });
		check_twice("new", [](const StoreEntry &entry) { return entry.new_chunk; });
		return std::move(scan_);
	}

private:
	void damage(const std::string &text)
	{
		if (scan_.damage.size() < options_.max_damage)
			scan_.damage.push_back(text);
	}

	// True when there are areas to walk.
	bool scan_header()
	{
		std::byte sector[sector_bytes];
		if (cow_sectors_ < 1) {
			damage("header: the device has no sector");
			return false;
		}
		read_(0, sector);
		snap_header_disk disk;
		std::memcpy(&disk, sector, sizeof(disk));
		scan_.magic = le32toh(disk.magic);
		scan_.kind = snap_header_unpack(&disk, &scan_.header);
		switch (scan_.kind) {
		case SNAP_HEADER_FRESH:
			return false;
		case SNAP_HEADER_FOREIGN:
			damage("header: magic " + std::to_string(scan_.magic) + " is not a store's");
			return false;
		case SNAP_HEADER_BAD_VERSION:
			damage("header: version " + std::to_string(scan_.header.version) + " is not 1");
			return false;
		case SNAP_HEADER_STORE:
			break;
		}
		const std::uint32_t valid = le32toh(disk.valid);
		if (valid > 1)
			damage("header: valid is " + std::to_string(valid) + ", neither 0 nor 1");
		if (const char *fault = snap_chunk_sectors_fault(scan_.header.chunk_sectors, sector_bytes,
								 sector_bytes)) {
			damage("header: chunk size " + std::to_string(scan_.header.chunk_sectors) + ": " + fault);
			return false;
		}
		scan_.chunk_size_good = true;
		snap_geometry_init(&scan_.geometry, scan_.header.chunk_sectors, cow_sectors_);
		if (scan_.geometry.nr_chunks < 2) {
			damage("header: the device has " + std::to_string(scan_.geometry.nr_chunks) +
			       " chunks, no room for the first area");
			return false;
		}
		if (options_.strict)
			check_header_tail(sector);
		return scan_.header.valid || options_.enter_invalid;
	}

	void check_header_tail(const std::byte *sector)
	{
		for (std::size_t at = sizeof(snap_header_disk); at < sector_bytes; at++) {
			if (sector[at] == std::byte{0})
				continue;
			damage("header: byte " + std::to_string(at) + " behind the fields is not zero");
			return;
		}
	}

	void scan_areas()
	{
		const snap_geometry &geo = scan_.geometry;
		const std::size_t area_bytes = std::size_t{geo.chunk_sectors} * sector_bytes;
		// Only as much as one needs at a time: chunks can be 1 GiB.
		std::vector<std::byte> piece(std::min<std::size_t>(area_bytes, 1 << 20));

		scan_.next_free = snap_data_chunk_from(&geo, 2);
		for (std::uint64_t area = 0;; area++) {
			const chunk_t chunk = snap_area_chunk(&geo, area);
			if (chunk >= geo.nr_chunks) {
				damage("area " + std::to_string(area) + ": the chain goes on in chunk " +
				       std::to_string(chunk) + ", beyond the device of " +
				       std::to_string(geo.nr_chunks) + " chunks");
				return;
			}
			scan_.nr_areas = area + 1;
			bool ended = false;
			for (std::size_t at = 0; at < area_bytes; at += piece.size()) {
				read_(chunk * area_bytes + at, piece);
				ended = scan_piece(piece, ended);
				if (ended && !options_.strict && area_bytes > piece.size())
					break;
			}
			if (ended)
				break;
		}
		if (options_.strict && scan_.nr_stale)
			damage("area " + std::to_string(scan_.nr_areas - 1) + ": " + std::to_string(scan_.nr_stale) +
			       " entries behind the terminator are not zero");
	}

	bool scan_piece(const std::vector<std::byte> &piece, bool ended)
	{
		for (std::size_t at = 0; at < piece.size(); at += sizeof(snap_entry_disk)) {
			snap_entry_disk disk;
			std::memcpy(&disk, piece.data() + at, sizeof(disk));
			StoreEntry entry{};
			snap_entry_unpack(&disk, &entry.old_chunk, &entry.new_chunk);
			if (!ended && entry.new_chunk) {
				scan_.entries.push_back(entry);
				continue;
			}
			// The terminator itself: new 0; an old chunk there means nothing but is not zero.
			if (entry.new_chunk || entry.old_chunk)
				scan_.nr_stale++;
			ended = true;
		}
		return ended;
	}

	void check_entries()
	{
		const snap_geometry &geo = scan_.geometry;
		std::uint64_t origin_chunks = SNAP_MAX_CHUNKS;
		if (options_.origin_sectors)
			origin_chunks = (*options_.origin_sectors + geo.chunk_sectors - 1) / geo.chunk_sectors;
		chunk_t highest = 1;
		for (std::size_t i = 0; i < scan_.entries.size(); i++) {
			const StoreEntry &entry = scan_.entries[i];
			if (const char *fault = snap_entry_fault(&geo, origin_chunks, entry.old_chunk, entry.new_chunk))
				damage(entry_place(scan_, i) + fault);
			else
				highest = std::max(highest, entry.new_chunk);
		}
		scan_.next_free = snap_data_chunk_from(&geo, highest + 1);
	}

	template <typename Key> void check_twice(const char *which, Key key)
	{
		std::vector<std::uint32_t> order(scan_.entries.size());
		for (std::size_t i = 0; i < order.size(); i++)
			order[i] = static_cast<std::uint32_t>(i);
		const auto &entries = scan_.entries;
		const auto before = [&](std::uint32_t a, std::uint32_t b) {
			const chunk_t left = key(entries[a]), right = key(entries[b]);
			return left != right ? left < right : a < b;
		};
		if (!std::is_sorted(order.begin(), order.end(), before))
			std::sort(order.begin(), order.end(), before);
		for (std::size_t i = 1; i < order.size(); i++)
			if (key(entries[order[i - 1]]) == key(entries[order[i]]))
				damage(entry_place(scan_, order[i]) + which + " chunk a second time, first in entry " +
				       std::to_string(order[i - 1]) + " of the store");
	}

	const StoreReader &read_;
	std::uint64_t cow_sectors_;
	const StoreScanOptions &options_;
	StoreScan scan_;
};

} // namespace

StoreScan scan_store(const StoreReader &read, std::uint64_t cow_sectors, const StoreScanOptions &options)
{
	return Scanner(read, cow_sectors, options).run();
}

} // namespace tools
