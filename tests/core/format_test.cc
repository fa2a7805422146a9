// SPDX-License-Identifier: GPL-2.0-or-later
//
// The bytes of the header and of entries, and which chunk sizes there are.
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstring>
#include <string>

extern "C" {
#include "snap_format.h"
}

namespace {

using Bytes = std::array<unsigned char, 16>;

template <class Disk> Bytes bytes_of(const Disk &disk)
{
	static_assert(sizeof(Disk) == sizeof(Bytes));
	Bytes bytes;
	std::memcpy(bytes.data(), &disk, sizeof(disk));
	return bytes;
}

template <class Disk> Disk disk_of(const Bytes &bytes)
{
	static_assert(sizeof(Disk) == sizeof(Bytes));
	Disk disk;
	std::memcpy(&disk, bytes.data(), sizeof(disk));
	return disk;
}

// "" when the chunk size is good.
std::string chunk_fault(std::uint32_t sectors, std::uint32_t origin_block = 512, std::uint32_t cow_block = 512)
{
	const char *fault = snap_chunk_sectors_fault(sectors, origin_block, cow_block);
	return fault ? fault : "";
}

// What a valid store of 32-sector chunks begins with.
constexpr Bytes good_header = {0x53, 0x6e, 0x41, 0x70, 1, 0, 0, 0, 1, 0, 0, 0, 0x20, 0, 0, 0};

} // namespace

BOOST_AUTO_TEST_SUITE(format)

BOOST_AUTO_TEST_CASE(a_valid_header_is_packed_byte_for_byte)
{
	const snap_header header{.valid = true, .version = 1, .chunk_sectors = 32};
	snap_header_disk disk;
	snap_header_pack(&header, &disk);
	BOOST_TEST(bytes_of(disk) == good_header, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_invalid_header_is_packed_byte_for_byte)
{
	const snap_header header{.valid = false, .version = 1, .chunk_sectors = 0x00200008};
	const Bytes expected = {0x53, 0x6e, 0x41, 0x70, 0, 0, 0, 0, 1, 0, 0, 0, 0x08, 0, 0x20, 0};
	snap_header_disk disk;
	snap_header_pack(&header, &disk);
	BOOST_TEST(bytes_of(disk) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_header_is_unpacked_from_bytes)
{
	const auto disk = disk_of<snap_header_disk>(good_header);
	snap_header header{};
	BOOST_TEST(snap_header_unpack(&disk, &header) == SNAP_HEADER_STORE);
	BOOST_TEST(header.valid);
	BOOST_TEST(header.version == 1U);
	BOOST_TEST(header.chunk_sectors == 32U);
}

BOOST_AUTO_TEST_CASE(every_byte_of_the_header_has_its_place)
{
	Bytes bytes = good_header;
	bytes[12] = 0x44, bytes[13] = 0x33, bytes[14] = 0x22, bytes[15] = 0x11;
	bytes[4] = 0;
	const auto disk = disk_of<snap_header_disk>(bytes);
	snap_header header{};
	BOOST_TEST(snap_header_unpack(&disk, &header) == SNAP_HEADER_STORE);
	BOOST_TEST(!header.valid);
	BOOST_TEST(header.chunk_sectors == 0x11223344U);
}

BOOST_AUTO_TEST_CASE(a_header_whose_magic_is_zero_is_a_fresh_store_whatever_follows)
{
	Bytes bytes{};
	snap_header header{};
	auto disk = disk_of<snap_header_disk>(bytes);
	BOOST_TEST(snap_header_unpack(&disk, &header) == SNAP_HEADER_FRESH);
	bytes.fill(0xff);
	bytes[0] = bytes[1] = bytes[2] = bytes[3] = 0;
	disk = disk_of<snap_header_disk>(bytes);
	BOOST_TEST(snap_header_unpack(&disk, &header) == SNAP_HEADER_FRESH);
}

BOOST_AUTO_TEST_CASE(one_wrong_bit_in_the_magic_makes_a_header_foreign)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		Bytes bytes = good_header;
		bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ (1U << bit % 8));
		const auto disk = disk_of<snap_header_disk>(bytes);
		snap_header header{};
		BOOST_TEST(snap_header_unpack(&disk, &header) == SNAP_HEADER_FOREIGN);
	}
}

BOOST_AUTO_TEST_CASE(a_magic_in_the_wrong_byte_order_is_foreign)
{
	const auto disk = disk_of<snap_header_disk>({0x70, 0x41, 0x6e, 0x53, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0x20});
	snap_header header{};
	BOOST_TEST(snap_header_unpack(&disk, &header) == SNAP_HEADER_FOREIGN);
}

BOOST_AUTO_TEST_CASE(any_version_but_one_is_bad_and_is_reported)
{
	for (const std::uint8_t version : {std::uint8_t{0}, std::uint8_t{2}, std::uint8_t{3}, std::uint8_t{255}}) {
		Bytes bytes = good_header;
		bytes[8] = version;
		const auto disk = disk_of<snap_header_disk>(bytes);
		snap_header header{};
		BOOST_TEST(snap_header_unpack(&disk, &header) == SNAP_HEADER_BAD_VERSION);
		BOOST_TEST(header.version == version);
		BOOST_TEST(header.chunk_sectors == 32U);
	}
	Bytes bytes = good_header;
	bytes[11] = 1;
	const auto disk = disk_of<snap_header_disk>(bytes);
	snap_header header{};
	BOOST_TEST(snap_header_unpack(&disk, &header) == SNAP_HEADER_BAD_VERSION);
}

BOOST_AUTO_TEST_CASE(a_header_survives_packing_and_unpacking)
{
	for (const bool valid : {false, true}) {
		for (std::uint32_t shift = 0; shift < 32; shift++) {
			const snap_header in{.valid = valid, .version = 1, .chunk_sectors = 1U << shift};
			snap_header_disk disk;
			snap_header out{};
			snap_header_pack(&in, &disk);
			BOOST_TEST(snap_header_unpack(&disk, &out) == SNAP_HEADER_STORE);
			BOOST_TEST(out.valid == in.valid);
			BOOST_TEST(out.version == in.version);
			BOOST_TEST(out.chunk_sectors == in.chunk_sectors);
		}
	}
}

BOOST_AUTO_TEST_CASE(powers_of_two_from_one_sector_to_two_to_the_21_are_chunk_sizes)
{
	for (std::uint32_t shift = 0; shift <= 21; shift++)
		BOOST_TEST(chunk_fault(1U << shift) == "");
}

BOOST_AUTO_TEST_CASE(a_chunk_whose_bytes_overflow_an_int_is_too_high)
{
	for (std::uint32_t shift = 22; shift < 32; shift++)
		BOOST_TEST(chunk_fault(1U << shift) == "Chunk size is too high");
}

BOOST_AUTO_TEST_CASE(a_chunk_size_of_zero_is_refused)
{
	BOOST_TEST(chunk_fault(0) == "Chunk size is zero");
}

BOOST_AUTO_TEST_CASE(a_chunk_size_that_is_no_power_of_two_is_refused)
{
	for (const std::uint32_t sectors : {3U, 5U, 6U, 7U, 9U, 24U, 33U, 48U, 0x1fffffU, 0x200001U, 0xffffffffU})
		BOOST_TEST(chunk_fault(sectors) == "Chunk size is not a power of 2");
}

BOOST_AUTO_TEST_CASE(a_chunk_holds_whole_blocks_of_both_devices)
{
	const std::string fault = "Chunk size is not a multiple of device blocksize";
	BOOST_TEST(chunk_fault(8, 4096, 512) == "");
	BOOST_TEST(chunk_fault(8, 512, 4096) == "");
	BOOST_TEST(chunk_fault(8, 4096, 4096) == "");
	BOOST_TEST(chunk_fault(16, 4096, 4096) == "");
	BOOST_TEST(chunk_fault(4, 4096, 512) == fault);
	BOOST_TEST(chunk_fault(4, 512, 4096) == fault);
	BOOST_TEST(chunk_fault(1, 512, 1024) == fault);
	BOOST_TEST(chunk_fault(1, 1024, 512) == fault);
	BOOST_TEST(chunk_fault(64, 65536, 512) == fault);
	BOOST_TEST(chunk_fault(128, 65536, 65536) == "");
}

BOOST_AUTO_TEST_CASE(an_entry_is_packed_byte_for_byte)
{
	const Bytes expected = {0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11};
	snap_entry_disk disk;
	snap_entry_pack(0x0102030405060708, 0x1112131415161718, &disk);
	BOOST_TEST(bytes_of(disk) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_entry_is_unpacked_from_bytes)
{
	const auto disk = disk_of<snap_entry_disk>({1, 2, 3, 4, 5, 6, 7, 8, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8});
	chunk_t old_chunk = 0, new_chunk = 0;
	snap_entry_unpack(&disk, &old_chunk, &new_chunk);
	BOOST_TEST(old_chunk == 0x0807060504030201U);
	BOOST_TEST(new_chunk == 0xf8f7f6f5f4f3f2f1U);
}

BOOST_AUTO_TEST_SUITE_END()
