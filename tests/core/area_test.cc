// SPDX-License-Identifier: GPL-2.0-or-later
//
// Positions of areas, and that a store which fills up stays readable at every
// moment and wastes nothing.
#include <boost/test/unit_test.hpp>

#include <random>
#include <set>
#include <string>

extern "C" {
#include "snap_area.h"
#include "snap_format.h"
}

namespace {

snap_geometry geometry_of(std::uint32_t chunk_sectors, std::uint64_t nr_chunks)
{
	snap_geometry geo;
	snap_geometry_init(&geo, chunk_sectors, nr_chunks * chunk_sectors);
	return geo;
}

// Written down a second time, the slow way: every area position up to @chunk.
bool naive_is_metadata(std::uint64_t per_area, chunk_t chunk)
{
	chunk_t at = 1;
	while (at < chunk)
		at += per_area + 1;
	return at == chunk;
}

// The largest N with snap_store_chunks_needed(N) <= @nr_chunks, by trying.
std::uint64_t naive_capacity(std::uint32_t chunk_sectors, std::uint64_t nr_chunks)
{
	std::uint64_t nr = 0;
	while (snap_store_chunks_needed(chunk_sectors, nr + 1) <= nr_chunks)
		nr++;
	return nr;
}

std::string entry_fault(const snap_geometry &geo, std::uint64_t origin_chunks, chunk_t old_chunk, chunk_t new_chunk)
{
	const char *fault = snap_entry_fault(&geo, origin_chunks, old_chunk, new_chunk);
	return fault ? fault : "";
}

// A store that commits entry by entry and looks at itself after each.
class FillingStore {
public:
	FillingStore(std::uint32_t chunk_sectors, std::uint64_t nr_chunks) : geo_(geometry_of(chunk_sectors, nr_chunks)) {}

	void grow(std::uint64_t nr_chunks) { geo_ = geometry_of(geo_.chunk_sectors, nr_chunks); }
	void leave_hole(std::uint64_t nr) { next_free_ += nr; }
	[[nodiscard]] std::uint64_t nr_entries() const { return nr_entries_; }
	[[nodiscard]] const std::string &fault() const { return fault_; }

	// How many chunks it got; 0: full.
	std::uint32_t take(std::uint32_t want)
	{
		const chunk_t before = next_free_;
		chunk_t first = 0;
		const std::uint32_t got = snap_area_alloc_run(&geo_, &next_free_, nr_entries_, want, &first);
		if (got > want)
			fail("more than wanted");
		if (!got && next_free_ != before)
			fail("full, but next_free moved");
		if (got && first < before)
			fail("a run below next_free");
		for (chunk_t chunk = first; chunk < first + got; chunk++)
			commit(chunk);
		if (got && next_free_ < first + got)
			fail("next_free inside of the run");
		if (got && naive_is_metadata(geo_.entries_per_area, next_free_))
			fail("next_free on a metadata position");
		return got;
	}

private:
	void fail(const char *what)
	{
		if (fault_.empty())
			fault_ = std::string(what) + " after " + std::to_string(nr_entries_) + " entries";
	}

	void commit(chunk_t chunk)
	{
		if (chunk >= geo_.nr_chunks)
			fail("data beyond the device");
		if (chunk == 0 || naive_is_metadata(geo_.entries_per_area, chunk))
			fail("data on the header or on metadata");
		if (!used_.insert(chunk).second)
			fail("a chunk handed out twice");
		nr_entries_++;
		const std::uint64_t terminator_area = nr_entries_ / geo_.entries_per_area;
		if (1 + terminator_area * (geo_.entries_per_area + 1) >= geo_.nr_chunks)
			fail("the terminator beyond the device");
	}

	snap_geometry geo_;
	chunk_t next_free_ = 2;
	std::uint64_t nr_entries_ = 0;
	std::set<chunk_t> used_;
	std::string fault_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(area)

BOOST_AUTO_TEST_CASE(an_area_of_a_chunk_holds_a_sixteenth_of_its_bytes)
{
	BOOST_TEST(geometry_of(1, 10).entries_per_area == 32U);
	BOOST_TEST(geometry_of(8, 10).entries_per_area == 256U);
	BOOST_TEST(geometry_of(32, 10).entries_per_area == 1024U);
	BOOST_TEST(geometry_of(1U << 21, 10).entries_per_area == 1U << 26);
}

BOOST_AUTO_TEST_CASE(only_whole_chunks_of_the_device_count)
{
	snap_geometry geo;
	snap_geometry_init(&geo, 32, 32 * 7 + 31);
	BOOST_TEST(geo.nr_chunks == 7U);
	BOOST_TEST(geo.chunk_sectors == 32U);
	snap_geometry_init(&geo, 32, 31);
	BOOST_TEST(geo.nr_chunks == 0U);
	snap_geometry_init(&geo, 1, UINT64_MAX);
	BOOST_TEST(geo.nr_chunks == SNAP_MAX_CHUNKS);
}

BOOST_AUTO_TEST_CASE(areas_lie_one_group_apart_behind_the_header)
{
	const snap_geometry one = geometry_of(1, 1000), many = geometry_of(32, 1000), large = geometry_of(1U << 21, 1000);
	BOOST_TEST(snap_area_chunk(&one, 0) == 1U);
	BOOST_TEST(snap_area_chunk(&one, 1) == 34U);
	BOOST_TEST(snap_area_chunk(&one, 2) == 67U);
	BOOST_TEST(snap_area_chunk(&many, 0) == 1U);
	BOOST_TEST(snap_area_chunk(&many, 1) == 1026U);
	BOOST_TEST(snap_area_chunk(&many, 1000) == 1025001U);
	BOOST_TEST(snap_entry_sector(&one, 2, 0) == 67U);
	BOOST_TEST(snap_entry_sector(&many, 1, 31) == 1026U * many.chunk_sectors);
	BOOST_TEST(snap_entry_sector(&many, 1, 32) == 1026U * many.chunk_sectors + 1);
	BOOST_TEST(snap_area_chunk(&large, 1) == (1U << 26) + 2U);
	BOOST_TEST(snap_area_chunk(&large, 1ULL << 20) == (1ULL << 46) + (1ULL << 20) + 1);
}

BOOST_AUTO_TEST_CASE(metadata_positions_are_the_areas_and_nothing_else)
{
	for (const std::uint32_t sectors : {1U, 2U, 8U, 32U}) {
		const snap_geometry geo = geometry_of(sectors, 5000);
		for (chunk_t chunk = 0; chunk < 5000; chunk++) {
			const bool expected = naive_is_metadata(geo.entries_per_area, chunk);
			BOOST_REQUIRE_EQUAL(snap_chunk_is_metadata(&geo, chunk), expected);
			if (chunk)
				BOOST_REQUIRE_EQUAL(snap_data_chunk_from(&geo, chunk), chunk + expected);
		}
		BOOST_TEST(snap_data_chunk_from(&geo, 0) == 2U);
	}
}

BOOST_AUTO_TEST_CASE(a_run_is_as_long_as_wanted_where_nothing_is_in_its_way)
{
	const snap_geometry geo = geometry_of(1, 1000);
	chunk_t next_free = 5, first = 0;
	BOOST_TEST(snap_area_alloc_run(&geo, &next_free, 3, 7, &first) == 7U);
	BOOST_TEST(first == 5U);
	BOOST_TEST(next_free == 12U);
}

BOOST_AUTO_TEST_CASE(a_run_ends_before_a_metadata_position_and_the_next_one_begins_behind_it)
{
	const snap_geometry geo = geometry_of(1, 1000);
	chunk_t next_free = 30, first = 0;
	BOOST_TEST(snap_area_alloc_run(&geo, &next_free, 0, 100, &first) == 4U);
	BOOST_TEST(first == 30U);
	BOOST_TEST(next_free == 35U);
	BOOST_TEST(snap_area_alloc_run(&geo, &next_free, 4, 100, &first) == 32U);
	BOOST_TEST(first == 35U);
	BOOST_TEST(next_free == 68U);
}

BOOST_AUTO_TEST_CASE(a_next_free_on_a_metadata_position_is_stepped_over)
{
	const snap_geometry geo = geometry_of(1, 1000);
	chunk_t next_free = 34, first = 0;
	BOOST_TEST(snap_area_alloc_run(&geo, &next_free, 0, 1, &first) == 1U);
	BOOST_TEST(first == 35U);
	BOOST_TEST(next_free == 36U);
	next_free = 0;
	BOOST_TEST(snap_area_alloc_run(&geo, &next_free, 0, 1, &first) == 1U);
	BOOST_TEST(first == 2U);
}

BOOST_AUTO_TEST_CASE(a_run_ends_at_the_end_of_the_device)
{
	const snap_geometry geo = geometry_of(1, 20);
	chunk_t next_free = 15, first = 0;
	BOOST_TEST(snap_area_alloc_run(&geo, &next_free, 0, 100, &first) == 5U);
	BOOST_TEST(next_free == 20U);
	first = 99;
	BOOST_TEST(snap_area_alloc_run(&geo, &next_free, 5, 100, &first) == 0U);
	BOOST_TEST(next_free == 20U);
	BOOST_TEST(first == 99U);
}

BOOST_AUTO_TEST_CASE(a_next_free_beyond_the_device_is_a_full_store)
{
	const snap_geometry geo = geometry_of(1, 20);
	chunk_t next_free = UINT64_MAX - 1, first = 0;
	BOOST_TEST(snap_area_alloc_run(&geo, &next_free, 0, 1, &first) == 0U);
	BOOST_TEST(next_free == UINT64_MAX - 1);
}

BOOST_AUTO_TEST_CASE(wanting_nothing_gives_nothing)
{
	const snap_geometry geo = geometry_of(1, 20);
	chunk_t next_free = 2, first = 0;
	BOOST_TEST(snap_area_alloc_run(&geo, &next_free, 0, 0, &first) == 0U);
	BOOST_TEST(next_free == 2U);
}

BOOST_AUTO_TEST_CASE(a_last_area_without_a_next_one_is_full_one_chunk_earlier)
{
	// header, area 0, 32 data chunks: entry 31 would leave no terminator
	const snap_geometry tight = geometry_of(1, 34), roomy = geometry_of(1, 35);
	chunk_t next_free = 2, first = 0;
	BOOST_TEST(snap_area_alloc_run(&tight, &next_free, 0, 100, &first) == 31U);
	BOOST_TEST(snap_area_alloc_run(&tight, &next_free, 31, 100, &first) == 0U);
	next_free = 2;
	BOOST_TEST(snap_area_alloc_run(&roomy, &next_free, 0, 100, &first) == 32U);
	BOOST_TEST(snap_area_alloc_run(&roomy, &next_free, 32, 100, &first) == 0U);
}

BOOST_AUTO_TEST_CASE(every_small_store_fills_to_exactly_its_capacity)
{
	for (const std::uint32_t sectors : {1U, 2U}) {
		for (std::uint64_t nr_chunks = 0; nr_chunks < 6 * 65; nr_chunks++) {
			for (const std::uint32_t want : {1U, 3U, 32U, 1000U}) {
				FillingStore store(sectors, nr_chunks);
				while (store.take(want))
					;
				BOOST_REQUIRE_MESSAGE(store.fault().empty(), nr_chunks << " chunks: " << store.fault());
				BOOST_REQUIRE_EQUAL(store.nr_entries(), naive_capacity(sectors, nr_chunks));
			}
		}
	}
}

BOOST_AUTO_TEST_CASE(a_store_with_holes_stays_readable_and_never_exceeds_its_capacity)
{
	for (unsigned seed = 0; seed < 300; seed++) {
		std::mt19937_64 random(seed);
		const std::uint64_t nr_chunks = random() % 300;
		FillingStore store(1, nr_chunks);
		do {
			if (random() % 4 == 0)
				store.leave_hole(random() % 40);
		} while (store.take(static_cast<std::uint32_t>(1 + random() % 50)));
		BOOST_REQUIRE_MESSAGE(store.fault().empty(), "seed " << seed << ": " << store.fault());
		BOOST_REQUIRE_LE(store.nr_entries(), naive_capacity(1, nr_chunks));
	}
}

BOOST_AUTO_TEST_CASE(a_full_store_goes_on_where_it_stopped_when_the_device_grows)
{
	for (std::uint64_t begin = 0; begin < 110; begin++) {
		FillingStore store(1, begin);
		for (std::uint64_t nr_chunks = begin; nr_chunks < begin + 70; nr_chunks++) {
			store.grow(nr_chunks);
			while (store.take(7))
				;
			BOOST_REQUIRE_MESSAGE(store.fault().empty(), nr_chunks << " chunks: " << store.fault());
			BOOST_REQUIRE_EQUAL(store.nr_entries(), naive_capacity(1, nr_chunks));
		}
	}
}

BOOST_AUTO_TEST_CASE(each_fault_of_an_entry_has_its_words)
{
	const snap_geometry geo = geometry_of(1, 100);
	BOOST_TEST(entry_fault(geo, 50, 0, 2) == "");
	BOOST_TEST(entry_fault(geo, 50, 49, 99) == "");
	BOOST_TEST(entry_fault(geo, 50, 50, 2) == "old chunk is beyond the origin");
	BOOST_TEST(entry_fault(geo, 0, 0, 2) == "old chunk is beyond the origin");
	BOOST_TEST(entry_fault(geo, 50, UINT64_MAX, 2) == "old chunk is beyond the origin");
	BOOST_TEST(entry_fault(geo, 50, 0, 0) == "new chunk is on the header");
	BOOST_TEST(entry_fault(geo, 50, 0, 1) == "new chunk is on a metadata area");
	BOOST_TEST(entry_fault(geo, 50, 0, 34) == "new chunk is on a metadata area");
	BOOST_TEST(entry_fault(geo, 50, 0, 67) == "new chunk is on a metadata area");
	BOOST_TEST(entry_fault(geo, 50, 0, 100) == "new chunk is beyond the COW device");
	BOOST_TEST(entry_fault(geo, 50, 0, UINT64_MAX) == "new chunk is beyond the COW device");
}

BOOST_AUTO_TEST_CASE(a_merge_computes_next_free_from_its_area)
{
	const snap_geometry geo = geometry_of(1, 1000);
	BOOST_TEST(snap_area_next_free(&geo, 0, 0) == 2U);
	BOOST_TEST(snap_area_next_free(&geo, 0, 5) == 7U);
	BOOST_TEST(snap_area_next_free(&geo, 0, 31) == 33U);
	BOOST_TEST(snap_area_next_free(&geo, 2, 0) == 68U);
	BOOST_TEST(snap_area_next_free(&geo, 2, 10) == 78U);
}

BOOST_AUTO_TEST_CASE(behind_a_full_area_a_merge_steps_over_the_next_one)
{
	const snap_geometry geo = geometry_of(1, 1000);
	BOOST_TEST(snap_area_next_free(&geo, 0, 32) == 35U);
	BOOST_TEST(snap_area_next_free(&geo, 3, 32) == 134U);
}

BOOST_AUTO_TEST_CASE(a_store_of_n_chunks_needs_the_header_the_areas_and_n)
{
	BOOST_TEST(snap_store_chunks_needed(1, 0) == 2U);
	BOOST_TEST(snap_store_chunks_needed(1, 1) == 3U);
	BOOST_TEST(snap_store_chunks_needed(1, 31) == 33U);
	BOOST_TEST(snap_store_chunks_needed(1, 32) == 35U);
	BOOST_TEST(snap_store_chunks_needed(1, 63) == 66U);
	BOOST_TEST(snap_store_chunks_needed(1, 64) == 68U);
	BOOST_TEST(snap_store_chunks_needed(32, 1023) == 1025U);
	BOOST_TEST(snap_store_chunks_needed(32, 1024) == 1027U);
	BOOST_TEST(snap_store_chunks_needed(1U << 21, 1ULL << 26) == (1ULL << 26) + 3);
	BOOST_TEST(snap_store_chunks_needed(1, UINT64_MAX) == UINT64_MAX);
}

BOOST_AUTO_TEST_SUITE_END()
