// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include <cstring>

#include "store/capacity.h"
#include "store/header.h"

using namespace snapctl;
using namespace snapctl::store;

BOOST_AUTO_TEST_SUITE(stores)

BOOST_AUTO_TEST_CASE(worst_case_counts_header_areas_and_chunks)
{
	// 256 entries fit into an area of 4096 bytes.
	BOOST_TEST(worst_case(Bytes{255 * 4096}, Bytes{4096}).count == (1 + 1 + 255) * 4096u);
	BOOST_TEST(worst_case(Bytes{256 * 4096}, Bytes{4096}).count == (1 + 2 + 256) * 4096u);
	BOOST_TEST(worst_case(Bytes{1}, Bytes{4096}).count == 3 * 4096u);
	BOOST_TEST(worst_case(Bytes{4097}, Bytes{4096}).count == 4 * 4096u);
	// 10 GiB in 4 KiB chunks: four per mille more than the origin.
	BOOST_TEST(worst_case(Bytes{10ull << 30}, Bytes{4096}).count == (1 + 10241 + 2621440) * 4096ull);
}

BOOST_AUTO_TEST_CASE(chunk_sizes_are_powers_of_two_and_no_smaller_than_blocks)
{
	const Bytes small{512}, large{4096};
	BOOST_TEST(chunk_fault(Bytes{512}, small, small) == nullptr);
	BOOST_TEST(chunk_fault(Bytes{1 << 30}, large, large) == nullptr);
	for (const std::uint64_t n : {0ull, 256ull, 511ull, 3000ull, 6144ull, 2ull << 30})
		BOOST_TEST(chunk_fault(Bytes{n}, small, small) != nullptr);
	BOOST_TEST(chunk_fault(Bytes{2048}, large, small) != nullptr);
	BOOST_TEST(chunk_fault(Bytes{2048}, small, large) != nullptr);
}

BOOST_AUTO_TEST_CASE(headers_are_read_and_bounded)
{
	const auto header = [](std::initializer_list<std::uint32_t> words) {
		std::vector<std::byte> bytes(words.size() * 4);
		std::memcpy(bytes.data(), words.begin(), bytes.size());
		return bytes;
	};
	const auto good = parse_header(header({0x70416e53, 1, 1, 8}));
	BOOST_REQUIRE(good);
	BOOST_TEST(good->valid);
	BOOST_TEST(good->chunk.count == 4096u);
	BOOST_TEST(!parse_header(header({0x70416e53, 0, 1, 8}))->valid);
	for (const auto& bad : {header({0, 0, 0, 0}), header({0x70416e53, 1, 2, 8}), header({0x70416e53, 1, 1, 0}),
				header({0x70416e53, 1, 1, 7}), header({0x70416e53, 1, 1})})
		BOOST_TEST(!parse_header(bad));
}

BOOST_AUTO_TEST_SUITE_END()
