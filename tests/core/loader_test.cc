// SPDX-License-Identifier: GPL-2.0-or-later
//
// Store images, good ones and one with each fault, through the loader that
// tests and fuzzers share.
#include <boost/test/unit_test.hpp>

#include <cstring>
#include <string>
#include <vector>

#include "store_loader.h"

namespace {

using tools::LoadedStore;
using tools::StoreFault;
using tools::StoreState;

constexpr std::uint32_t chunk_sectors = 1;
constexpr std::uint64_t chunk_bytes = 512;

class Image {
public:
	explicit Image(std::uint64_t nr_chunks) : bytes_(nr_chunks * chunk_bytes)
	{
		header({.valid = true, .version = 1, .chunk_sectors = chunk_sectors});
	}

	void header(const snap_header &header)
	{
		snap_header_disk disk;
		snap_header_pack(&header, &disk);
		std::memcpy(bytes_.data(), &disk, sizeof(disk));
	}
	void poke(std::uint64_t offset, std::uint8_t byte) { bytes_[offset] = std::byte{byte}; }
	void entry(std::uint64_t nr, chunk_t old_chunk, chunk_t new_chunk)
	{
		snap_entry_disk disk;
		snap_entry_pack(old_chunk, new_chunk, &disk);
		std::memcpy(&bytes_[offset_of(nr)], &disk, sizeof(disk));
	}
	static std::uint64_t offset_of(std::uint64_t nr) { return (1 + nr / 32 * 33) * chunk_bytes + nr % 32 * 16; }

	[[nodiscard]] std::variant<LoadedStore, StoreFault> load(std::uint64_t origin_sectors = 1000) const
	{
		const auto read = [this](std::uint64_t offset, std::span<std::byte> into) {
			if (offset > bytes_.size() || into.size() > bytes_.size() - offset)
				return false;
			std::memcpy(into.data(), &bytes_[offset], into.size());
			return true;
		};
		return tools::load_store(read, {.cow_sectors = bytes_.size() / 512, .origin_sectors = origin_sectors});
	}
	[[nodiscard]] std::string fault() const
	{
		const auto result = load();
		const auto *fault = std::get_if<StoreFault>(&result);
		return fault ? fault->text() : "";
	}

private:
	std::vector<std::byte> bytes_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(loader)

BOOST_AUTO_TEST_CASE(a_zeroed_device_is_a_fresh_store)
{
	Image image(10);
	for (std::uint64_t offset = 0; offset < 16; offset++)
		image.poke(offset, 0);
	const auto result = image.load();
	BOOST_REQUIRE(std::holds_alternative<LoadedStore>(result));
	BOOST_TEST((std::get<LoadedStore>(result).state == StoreState::fresh));
}

BOOST_AUTO_TEST_CASE(an_empty_store_has_its_first_data_chunk_free)
{
	const auto result = Image(10).load();
	BOOST_REQUIRE(std::holds_alternative<LoadedStore>(result));
	const auto &store = std::get<LoadedStore>(result);
	BOOST_TEST((store.state == StoreState::active));
	BOOST_TEST(store.nr_entries == 0U);
	BOOST_TEST(store.next_free == 2U);
}

BOOST_AUTO_TEST_CASE(the_entries_of_several_areas_are_loaded)
{
	Image image(200);
	for (std::uint64_t i = 0; i < 70; i++)
		image.entry(i, 500 - i * 3, 2 + i + i / 32);
	const auto result = image.load();
	BOOST_REQUIRE(std::holds_alternative<LoadedStore>(result));
	const auto &store = std::get<LoadedStore>(result);
	BOOST_TEST(store.nr_entries == 70U);
	BOOST_TEST(store.by_old.raw().nr_chunks == 70U);
	BOOST_TEST(store.next_free == 74U);
	BOOST_TEST(store.by_old.find(500 - 69 * 3)->new_chunk == 73U);
	BOOST_TEST(!store.by_old.find(501));
}

BOOST_AUTO_TEST_CASE(next_free_is_above_the_highest_chunk_and_not_on_metadata)
{
	Image image(200);
	image.entry(0, 1, 33);
	image.entry(1, 2, 5);
	const auto result = image.load();
	BOOST_REQUIRE(std::holds_alternative<LoadedStore>(result));
	BOOST_TEST(std::get<LoadedStore>(result).next_free == 35U);
}

BOOST_AUTO_TEST_CASE(entries_behind_the_terminator_stay_invisible)
{
	Image image(200);
	image.entry(0, 1, 2);
	image.entry(2, 7, 1); // on metadata, if anyone looked
	image.entry(32, 7, 0);
	const auto result = image.load();
	BOOST_REQUIRE(std::holds_alternative<LoadedStore>(result));
	BOOST_TEST(std::get<LoadedStore>(result).nr_entries == 1U);
}

BOOST_AUTO_TEST_CASE(an_invalid_store_is_accepted_and_not_read)
{
	Image image(10);
	image.header({.valid = false, .version = 1, .chunk_sectors = chunk_sectors});
	image.entry(0, 1, 1);
	const auto result = image.load();
	BOOST_REQUIRE(std::holds_alternative<LoadedStore>(result));
	BOOST_TEST((std::get<LoadedStore>(result).state == StoreState::invalid));
}

BOOST_AUTO_TEST_CASE(a_foreign_header_is_refused)
{
	Image image(10);
	image.poke(0, 0xff);
	BOOST_TEST(image.fault() == "byte 0: not a store");
}

BOOST_AUTO_TEST_CASE(an_unknown_version_is_refused)
{
	Image image(10);
	image.header({.valid = true, .version = 2, .chunk_sectors = chunk_sectors});
	BOOST_TEST(image.fault() == "byte 8: unknown version 2");
}

BOOST_AUTO_TEST_CASE(an_impossible_chunk_size_is_refused)
{
	Image image(10);
	image.header({.valid = true, .version = 1, .chunk_sectors = 0});
	BOOST_TEST(image.fault() == "byte 12: Chunk size is zero");
	image.header({.valid = true, .version = 1, .chunk_sectors = 1U << 31});
	BOOST_TEST(image.fault() == "byte 12: Chunk size is too high");
}

BOOST_AUTO_TEST_CASE(a_device_without_room_for_the_first_area_is_refused)
{
	BOOST_TEST(Image(1).fault() == "byte 512: the list of entries runs off the device");
}

BOOST_AUTO_TEST_CASE(a_list_that_runs_off_the_device_is_refused)
{
	Image image(34);
	for (std::uint64_t i = 0; i < 32; i++)
		image.entry(i, i, 2 + i);
	BOOST_TEST(image.fault() == "byte 17408: the list of entries runs off the device");
}

BOOST_AUTO_TEST_CASE(each_fault_of_an_entry_is_refused_with_its_place)
{
	Image image(100);
	image.entry(0, 10, 2);
	image.entry(1, 11, 100);
	BOOST_TEST(image.fault() == "entry 1 at byte 528: new chunk is beyond the COW device (old chunk 11, new chunk 100)");
	image.entry(1, 11, 34);
	BOOST_TEST(image.fault() == "entry 1 at byte 528: new chunk is on a metadata area (old chunk 11, new chunk 34)");
	image.entry(1, 1000, 3);
	BOOST_TEST(image.fault() == "entry 1 at byte 528: old chunk is beyond the origin (old chunk 1000, new chunk 3)");
	image.entry(1, 10, 3);
	BOOST_TEST(image.fault() == "entry 1 at byte 528: the old chunk is in the store twice (old chunk 10, new chunk 3)");
	image.entry(1, 11, 2);
	BOOST_TEST(image.fault() == "entry 1 at byte 528: the new chunk is in the store twice (old chunk 11, new chunk 2)");
	image.entry(1, 11, 3);
	BOOST_TEST(image.fault() == "");
}

BOOST_AUTO_TEST_CASE(a_fault_in_the_second_area_is_found)
{
	Image image(100);
	for (std::uint64_t i = 0; i < 32; i++)
		image.entry(i, i, 2 + i);
	image.entry(32, 40, 1);
	BOOST_TEST(image.fault() == "entry 32 at byte 17408: new chunk is on a metadata area (old chunk 40, new chunk 1)");
}

BOOST_AUTO_TEST_CASE(a_device_that_cannot_be_read_is_a_fault_with_its_place)
{
	const auto header_only = [](std::uint64_t offset, std::span<std::byte> into) {
		if (offset)
			return false;
		const snap_header header{.valid = true, .version = 1, .chunk_sectors = 8};
		snap_header_disk disk;
		snap_header_pack(&header, &disk);
		std::memcpy(into.data(), &disk, sizeof(disk));
		return true;
	};
	const auto nothing = [](std::uint64_t, std::span<std::byte>) { return false; };
	const auto result = tools::load_store(header_only, {.cow_sectors = 1000, .origin_sectors = {}});
	BOOST_REQUIRE(std::holds_alternative<StoreFault>(result));
	BOOST_TEST(std::get<StoreFault>(result).text() == "byte 4096: a metadata area cannot be read");
	const auto none = tools::load_store(nothing, {.cow_sectors = 1000, .origin_sectors = {}});
	BOOST_REQUIRE(std::holds_alternative<StoreFault>(none));
	BOOST_TEST(std::get<StoreFault>(none).text() == "byte 0: the header cannot be read");
}

BOOST_AUTO_TEST_SUITE_END()
