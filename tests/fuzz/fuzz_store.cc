// SPDX-License-Identifier: GPL-2.0-or-later
//
// Any bytes as a header and areas: the loader must not crash, and must accept
// exactly what a second reader accepts, which is written below from the
// description of the format and without kernel/core.
#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "fuzz_input.h"
#include "store_loader.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Device {
	Bytes bytes; // zeroes follow up to the size
	std::uint64_t sectors;
	std::uint64_t origin_sectors;

	[[nodiscard]] bool read(std::uint64_t offset, void *into, std::size_t nr) const
	{
		if (offset > sectors * 512 || nr > sectors * 512 - offset)
			return false;
		std::memset(into, 0, nr);
		if (offset < bytes.size())
			std::memcpy(into, &bytes[offset], std::min<std::size_t>(nr, bytes.size() - offset));
		return true;
	}
	[[nodiscard]] std::uint64_t number(std::uint64_t offset, unsigned nr_bytes) const
	{
		std::uint8_t raw[8] = {};
		if (!read(offset, raw, nr_bytes))
			std::abort(); // the second reader knows the size
		std::uint64_t value = 0;
		for (unsigned i = nr_bytes; i--;)
			value = value << 8 | raw[i];
		return value;
	}
	void put(std::uint64_t offset, std::uint64_t value, unsigned nr_bytes)
	{
		if (bytes.size() < offset + nr_bytes)
			bytes.resize(offset + nr_bytes);
		for (unsigned i = 0; i < nr_bytes; i++)
			bytes[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
	}
};

// Nearly good stores: a good header over a few chunks, entries of small numbers.
Device compact_device(fuzz::Input &input)
{
	Device device;
	const std::uint64_t chunk_sectors = 1U << input.byte() % 4, per_area = chunk_sectors * 32;
	device.sectors = input.number(2) % 2048;
	device.origin_sectors = input.number(2);
	device.put(0, 0x70416e53, 4);
	device.put(4, input.byte() != 0xff, 4);
	device.put(8, 1, 4);
	device.put(12, chunk_sectors, 4);
	chunk_t next_new = 2;
	for (std::uint64_t nr = 0; !input.ended() && nr < 4 * per_area; nr++) {
		const std::uint64_t area = 1 + nr / per_area * (per_area + 1);
		const std::uint64_t offset = area * chunk_sectors * 512 + nr % per_area * 16;
		const std::uint64_t old_chunk = input.number(2);
		const std::uint8_t choice = input.byte();
		chunk_t new_chunk = choice == 0xfe ? 0 : choice == 0xff ? input.number(8) : next_new + choice / 64;
		if (choice % 64 == 63)
			new_chunk = choice;
		device.put(offset, old_chunk, 8);
		device.put(offset + 8, new_chunk, 8);
		next_new = new_chunk + 1 + ((new_chunk + 1) % (per_area + 1) == 1);
	}
	return device;
}

Device raw_device(fuzz::Input &input)
{
	Device device;
	device.sectors = input.number(3);
	device.origin_sectors = input.number(8);
	while (!input.ended())
		device.bytes.push_back(input.byte());
	return device;
}

struct Expected {
	tools::StoreState state = tools::StoreState::fresh;
	std::map<std::uint64_t, std::uint64_t> entries;
	std::uint64_t next_free = 0;
};

// The second reader; nothing: refused.
std::optional<Expected> read_again(const Device &device)
{
	Expected store;
	if (device.sectors < 1)
		return std::nullopt;
	if (device.number(0, 4) == 0)
		return store;
	if (device.number(0, 4) != 0x70416e53 || device.number(8, 4) != 1)
		return std::nullopt;
	const std::uint64_t chunk_sectors = device.number(12, 4);
	if (chunk_sectors == 0 || (chunk_sectors & (chunk_sectors - 1)) != 0 || chunk_sectors > 1U << 21)
		return std::nullopt;
	store.state = device.number(4, 4) ? tools::StoreState::active : tools::StoreState::invalid;
	if (store.state == tools::StoreState::invalid)
		return store;

	const std::uint64_t per_area = chunk_sectors * 512 / 16, nr_chunks = device.sectors / chunk_sectors;
	std::set<std::uint64_t> new_chunks;
	std::set<std::uint64_t> areas;
	for (std::uint64_t area = 1; area < nr_chunks; area += per_area + 1)
		areas.insert(area);
	std::uint64_t area = 1;
	for (std::uint64_t nr = 0;; nr++) {
		if (nr && nr % per_area == 0)
			area += per_area + 1;
		if (area >= nr_chunks)
			return std::nullopt;
		const std::uint64_t offset = area * chunk_sectors * 512 + nr % per_area * 16;
		const std::uint64_t old_chunk = device.number(offset, 8), new_chunk = device.number(offset + 8, 8);
		if (new_chunk == 0)
			break;
		if (new_chunk >= nr_chunks || areas.contains(new_chunk) || !new_chunks.insert(new_chunk).second)
			return std::nullopt;
		const bool beyond = old_chunk > UINT64_MAX / chunk_sectors || old_chunk * chunk_sectors >= device.origin_sectors;
		// core counts no more chunks than a block device can have
		if (beyond || old_chunk >= 1ULL << 54 || !store.entries.emplace(old_chunk, new_chunk).second)
			return std::nullopt;
	}
	store.next_free = new_chunks.empty() ? 2 : *new_chunks.rbegin() + 1;
	if (store.next_free % (per_area + 1) == 1)
		store.next_free++;
	return store;
}

void compare(const tools::LoadedStore &store, const Expected &expected)
{
	fuzz::require(store.state == expected.state, "another state");
	if (store.state != tools::StoreState::active)
		return;
	fuzz::require(store.nr_entries == expected.entries.size(), "another number of entries");
	fuzz::require(store.by_old.raw().nr_chunks == expected.entries.size(), "another number of chunks");
	fuzz::require(store.next_free == expected.next_free, "another next free chunk");
	for (const auto &[old_chunk, new_chunk] : expected.entries) {
		const auto run = store.by_old.find(old_chunk);
		fuzz::require(run && run->new_chunk == new_chunk, "an entry is lost");
	}
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	fuzz::Input input(data, size);
	const Device device = input.byte() % 4 ? compact_device(input) : raw_device(input);
	const auto read = [&device](std::uint64_t offset, std::span<std::byte> into) {
		return device.read(offset, into.data(), into.size());
	};

	const auto result = tools::load_store(read, {.cow_sectors = device.sectors, .origin_sectors = device.origin_sectors});
	const auto expected = read_again(device);

	const auto *store = std::get_if<tools::LoadedStore>(&result);
	fuzz::require(!store || expected, "the loader accepts what the format refuses");
	fuzz::require(store || !expected, "the loader refuses what the format accepts");
	if (store)
		compare(*store, *expected);
	else
		fuzz::require(!std::get<tools::StoreFault>(result).text().empty(), "a fault without words");
	return 0;
}
