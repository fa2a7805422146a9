// SPDX-License-Identifier: GPL-2.0-or-later
//
// The index, one property a test.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <ostream>
#include <random>
#include <vector>

#include "index_checker.h"

using core_test::TestIndex;

static std::ostream &operator<<(std::ostream &out, const snap_run &run)
{
	return out << run.old_chunk << "->" << run.new_chunk << " x" << run.nr_chunks;
}

namespace {

constexpr chunk_t last_chunk = SNAP_MAX_CHUNKS - 1;

using Runs = std::vector<snap_run>;

// The walk, the header and the memory of an index, to be compared.
struct State {
	explicit State(const TestIndex &from) : runs(from.walk()), index(from.index), spare(from.spare) {}

	bool operator==(const State &other) const
	{
		return runs == other.runs && std::memcmp(&index, &other.index, sizeof(index)) == 0 &&
		       spare.top == other.spare.top && spare.nr == other.spare.nr;
	}

	Runs runs;
	snap_index index;
	snap_index_spare spare;
};

#define CHECK_RUNS(index, ...)                                                  \
	do {                                                                    \
		const Runs expected_runs = Runs __VA_ARGS__;                    \
		const Runs found_runs = (index).walk();                         \
		BOOST_TEST(found_runs == expected_runs, boost::test_tools::per_element()); \
		BOOST_TEST((index).structure() == "");                          \
	} while (0)

void fill_scattered(TestIndex &index, unsigned nr, unsigned seed)
{
	std::vector<chunk_t> order(nr);
	std::iota(order.begin(), order.end(), 0);
	std::shuffle(order.begin(), order.end(), std::mt19937_64(seed));
	for (unsigned i = 0; i < nr; i++)
		BOOST_REQUIRE_EQUAL(index.insert(order[i] * 2, 5 + i * 3), 0);
}

} // namespace

BOOST_AUTO_TEST_SUITE(index_one_by_one)

BOOST_AUTO_TEST_CASE(an_empty_index_is_one_hole)
{
	TestIndex index;
	snap_run run;
	BOOST_TEST(!index.lookup(0, run));
	BOOST_TEST(run == (snap_run{0, 0, SNAP_MAX_CHUNKS}));
	BOOST_TEST(!index.lookup(last_chunk, run));
	BOOST_TEST(run == (snap_run{last_chunk, 0, 1}));
	CHECK_RUNS(index, {});
	BOOST_TEST(snap_index_spare_needed(&index.index) == 1U);
	BOOST_TEST(snap_index_dismantle(&index.index) == nullptr);
}

BOOST_AUTO_TEST_CASE(a_chunk_that_was_inserted_is_found)
{
	TestIndex index;
	snap_run run;
	BOOST_TEST(index.insert(7, 42) == 0);
	BOOST_TEST(index.lookup(7, run));
	BOOST_TEST(run == (snap_run{7, 42, 1}));
	BOOST_TEST(!index.lookup(6, run));
	BOOST_TEST(run == (snap_run{6, 0, 1}));
	BOOST_TEST(!index.lookup(8, run));
	BOOST_TEST(run == (snap_run{8, 0, SNAP_MAX_CHUNKS - 8}));
}

BOOST_AUTO_TEST_CASE(a_lookup_inside_of_a_run_gives_the_rest_of_it)
{
	TestIndex index;
	snap_run run;
	BOOST_TEST(index.insert(100, 1000, 50) == 0);
	BOOST_TEST(index.lookup(120, run));
	BOOST_TEST(run == (snap_run{120, 1020, 30}));
	BOOST_TEST(index.lookup(149, run));
	BOOST_TEST(run == (snap_run{149, 1049, 1}));
	BOOST_TEST(!index.lookup(150, run));
}

BOOST_AUTO_TEST_CASE(a_hole_ends_where_the_next_run_begins_even_in_another_leaf)
{
	TestIndex index;
	snap_run run;
	for (chunk_t i = 0; i < 1000; i++)
		BOOST_REQUIRE_EQUAL(index.insert(i * 10, i * 3), 0);
	BOOST_TEST(index.index.height == 2U);
	for (chunk_t i = 0; i + 1 < 1000; i++) {
		for (chunk_t k = 1; k < 10; k++) {
			BOOST_REQUIRE(!index.lookup(i * 10 + k, run));
			BOOST_REQUIRE(run == (snap_run{i * 10 + k, 0, 10 - k}));
		}
	}
}

BOOST_AUTO_TEST_CASE(a_lookup_beyond_the_last_chunk_finds_nothing)
{
	TestIndex index;
	snap_run run;
	BOOST_TEST(index.insert(last_chunk, 1) == 0);
	for (const chunk_t chunk : {SNAP_MAX_CHUNKS, SNAP_MAX_CHUNKS + 1, 1ULL << 60, ~0ULL}) {
		BOOST_TEST(!index.lookup(chunk, run));
		BOOST_TEST(run.nr_chunks == 1U);
		BOOST_TEST(!snap_index_next(&index.index, chunk, &run));
	}
}

BOOST_AUTO_TEST_CASE(the_first_and_the_last_chunk_can_be_mapped)
{
	TestIndex index;
	snap_run run;
	BOOST_TEST(index.insert(last_chunk, last_chunk) == 0);
	BOOST_TEST(index.insert(0, 0) == 0);
	BOOST_TEST(index.lookup(0, run));
	BOOST_TEST(index.lookup(last_chunk, run));
	BOOST_TEST(run == (snap_run{last_chunk, last_chunk, 1}));
	BOOST_TEST(!index.lookup(1, run));
	BOOST_TEST(run == (snap_run{1, 0, last_chunk - 1}));
	CHECK_RUNS(index, {{0, 0, 1}, {last_chunk, last_chunk, 1}});
	BOOST_TEST(index.remove(last_chunk) == 0);
	BOOST_TEST(index.remove(0) == 0);
	BOOST_TEST(index.index.root == nullptr);
}

BOOST_AUTO_TEST_CASE(the_longest_run_can_end_at_the_last_chunk)
{
	TestIndex index;
	snap_run run;
	const chunk_t first = SNAP_MAX_CHUNKS - SNAP_INDEX_MAX_RUN;
	BOOST_TEST(index.insert(first, first, SNAP_INDEX_MAX_RUN) == 0);
	BOOST_TEST(index.lookup(last_chunk, run));
	BOOST_TEST(run == (snap_run{last_chunk, last_chunk, 1}));
	BOOST_TEST(index.lookup(first, run));
	BOOST_TEST(run == (snap_run{first, first, SNAP_INDEX_MAX_RUN}));
	BOOST_TEST(index.structure() == "");
}

BOOST_AUTO_TEST_CASE(a_run_joins_the_one_before_it)
{
	TestIndex index;
	BOOST_TEST(index.insert(10, 20, 5) == 0);
	BOOST_TEST(index.insert(15, 25, 3) == 0);
	CHECK_RUNS(index, {{10, 20, 8}});
}

BOOST_AUTO_TEST_CASE(a_run_joins_the_one_behind_it)
{
	TestIndex index;
	BOOST_TEST(index.insert(15, 25, 3) == 0);
	BOOST_TEST(index.insert(10, 20, 5) == 0);
	CHECK_RUNS(index, {{10, 20, 8}});
}

BOOST_AUTO_TEST_CASE(a_run_that_fills_a_gap_joins_both_sides)
{
	TestIndex index;
	BOOST_TEST(index.insert(10, 20, 5) == 0);
	BOOST_TEST(index.insert(16, 26, 4) == 0);
	BOOST_TEST(index.insert(15, 25) == 0);
	CHECK_RUNS(index, {{10, 20, 10}});
}

BOOST_AUTO_TEST_CASE(runs_that_continue_on_one_device_only_stay_apart)
{
	TestIndex index;
	BOOST_TEST(index.insert(10, 20, 5) == 0);
	BOOST_TEST(index.insert(15, 26, 5) == 0);
	BOOST_TEST(index.insert(21, 31, 5) == 0);
	BOOST_TEST(index.insert(5, 14, 5) == 0);
	CHECK_RUNS(index, {{5, 14, 5}, {10, 20, 5}, {15, 26, 5}, {21, 31, 5}});
}

BOOST_AUTO_TEST_CASE(no_run_grows_beyond_the_longest)
{
	TestIndex index;
	const std::uint64_t max = SNAP_INDEX_MAX_RUN;
	BOOST_TEST(index.insert(0, 0, max) == 0);
	BOOST_TEST(index.insert(max, max, 1) == 0);
	CHECK_RUNS(index, {{0, 0, max}, {max, max, 1}});
	BOOST_TEST(index.insert(max + 1, max + 1, max - 1) == 0);
	CHECK_RUNS(index, {{0, 0, max}, {max, max, max}});
}

BOOST_AUTO_TEST_CASE(a_run_that_is_too_long_with_both_sides_joins_the_one_before_it)
{
	TestIndex index;
	const std::uint64_t most = SNAP_INDEX_MAX_RUN - 10;
	BOOST_TEST(index.insert(0, 0, most) == 0);
	BOOST_TEST(index.insert(most + 5, most + 5, 6) == 0);
	BOOST_TEST(index.insert(most, most, 5) == 0);
	CHECK_RUNS(index, {{0, 0, most + 5}, {most + 5, most + 5, 6}});
}

BOOST_AUTO_TEST_CASE(runs_join_across_the_border_of_two_leaves)
{
	// with every other chunk mapped in order, leaves are full and end anywhere
	for (chunk_t gap = 1; gap < 400; gap += 2) {
		TestIndex index;
		for (chunk_t i = 0; i < 200; i++)
			BOOST_REQUIRE_EQUAL(index.insert(i * 2, i * 2), 0);
		BOOST_REQUIRE_EQUAL(index.insert(gap, gap), 0);
		BOOST_REQUIRE_EQUAL(index.structure(), "");
		BOOST_REQUIRE_EQUAL(index.index.nr_runs, gap == 399 ? 200U : 199U);
	}
}

BOOST_AUTO_TEST_CASE(removing_cuts_a_run_anywhere)
{
	TestIndex index;
	BOOST_TEST(index.insert(10, 110, 10) == 0);
	BOOST_TEST(index.remove(10, 2) == 0);
	CHECK_RUNS(index, {{12, 112, 8}});
	BOOST_TEST(index.remove(18, 2) == 0);
	CHECK_RUNS(index, {{12, 112, 6}});
	BOOST_TEST(index.remove(14, 2) == 0);
	CHECK_RUNS(index, {{12, 112, 2}, {16, 116, 2}});
	BOOST_TEST(index.remove(12, 2) == 0);
	CHECK_RUNS(index, {{16, 116, 2}});
	BOOST_TEST(index.remove(16, 2) == 0);
	CHECK_RUNS(index, {});
}

BOOST_AUTO_TEST_CASE(removing_spans_many_runs)
{
	TestIndex index;
	for (chunk_t i = 0; i < 500; i++)
		BOOST_REQUIRE_EQUAL(index.insert(i * 4, i * 100, 4), 0);
	BOOST_TEST(index.remove(2, 1996) == 0);
	CHECK_RUNS(index, {{0, 0, 2}, {1998, 49902, 2}});
	BOOST_TEST(index.index.nr_nodes == 1U);
}

BOOST_AUTO_TEST_CASE(inserting_over_a_mapped_chunk_changes_nothing)
{
	TestIndex index;
	for (chunk_t i = 0; i < 500; i++)
		BOOST_REQUIRE_EQUAL(index.insert(i * 10, i * 7, 4), 0);
	index.lend_needed();
	const State before(index);
	for (chunk_t i = 0; i + 1 < 500; i++) {
		for (const snap_run run : {snap_run{i * 10, 1, 1}, {i * 10 + 3, 1, 1}, {i * 10 + 2, 1, 5}, {i * 10 + 5, 1, 6},
					   {i * 10 + 4, 1, 7}, {i * 10 + 4, 1, 100000}, {i * 10 + 4, i * 7 + 4, 7}}) {
			BOOST_REQUIRE_EQUAL(snap_index_insert(&index.index, &run, &index.spare), -EEXIST);
			BOOST_REQUIRE(State(index) == before);
		}
	}
}

BOOST_AUTO_TEST_CASE(a_run_that_fits_into_a_hole_exactly_is_inserted)
{
	TestIndex index;
	BOOST_TEST(index.insert(0, 100, 4) == 0);
	BOOST_TEST(index.insert(10, 200, 4) == 0);
	BOOST_TEST(index.insert(4, 300, 6) == 0);
	CHECK_RUNS(index, {{0, 100, 4}, {4, 300, 6}, {10, 200, 4}});
}

BOOST_AUTO_TEST_CASE(a_run_out_of_range_changes_nothing)
{
	TestIndex index;
	BOOST_TEST(index.insert(5, 5, 5) == 0);
	index.lend_needed();
	const State before(index);
	for (const snap_run run :
	     {snap_run{20, 20, 0}, {20, 20, SNAP_INDEX_MAX_RUN + 1}, {20, 20, UINT64_MAX}, {last_chunk, 20, 2},
	      {20, last_chunk, 2}, {SNAP_MAX_CHUNKS, 20, 1}, {20, SNAP_MAX_CHUNKS, 1}, {UINT64_MAX, 20, 1}, {20, UINT64_MAX, 1}}) {
		BOOST_TEST(snap_index_insert(&index.index, &run, &index.spare) == -ERANGE);
		BOOST_TEST((State(index) == before));
	}
	for (const snap_run run : {snap_run{5, 5, 0}, {5, 5, SNAP_INDEX_MAX_RUN + 1}, {last_chunk, 5, 2}, {UINT64_MAX, 5, 1},
				   {UINT64_MAX - 4, 5, 10}}) {
		BOOST_TEST(snap_index_remove(&index.index, &run, &index.spare) == -ERANGE);
		BOOST_TEST((State(index) == before));
	}
}

BOOST_AUTO_TEST_CASE(removing_what_is_not_mapped_changes_nothing)
{
	TestIndex index;
	for (chunk_t i = 0; i < 300; i++)
		BOOST_REQUIRE_EQUAL(index.insert(i * 10, i * 10, 9), 0);
	index.lend_needed();
	const State before(index);
	for (chunk_t i = 0; i < 300; i++) {
		for (const snap_run run : {snap_run{i * 10 + 9, 0, 1}, {i * 10, 0, 10}, {i * 10 + 8, 0, 2}, {i * 10 + 9, 0, 2},
					   {i * 10 + 3, 0, 3000}}) {
			BOOST_REQUIRE_EQUAL(snap_index_remove(&index.index, &run, &index.spare), -ENOENT);
			BOOST_REQUIRE(State(index) == before);
		}
	}
	TestIndex empty;
	BOOST_TEST(empty.remove(0) == -ENOENT);
}

BOOST_AUTO_TEST_CASE(an_insert_with_too_few_spare_nodes_changes_nothing)
{
	for (const unsigned nr : {0U, 1U, 32U, 33U, 1000U, 5000U}) {
		TestIndex index;
		fill_scattered(index, nr, nr);
		for (std::uint32_t spare = 0; spare < snap_index_spare_needed(&index.index); spare++) {
			index.lend(spare);
			const State before(index);
			const snap_run run{nr + 1 - nr % 2, 1, 1};
			BOOST_REQUIRE_EQUAL(snap_index_insert(&index.index, &run, &index.spare), -ENOMEM);
			BOOST_REQUIRE(State(index) == before);
		}
	}
}

BOOST_AUTO_TEST_CASE(a_remove_that_splits_a_run_with_too_few_spare_nodes_changes_nothing)
{
	TestIndex index;
	for (chunk_t i = 0; i < 2000; i++)
		BOOST_REQUIRE_EQUAL(index.insert(i * 10, i * 7, 5), 0);
	for (std::uint32_t spare = 0; spare < snap_index_spare_needed(&index.index); spare++) {
		index.lend(spare);
		const State before(index);
		const snap_run run{5002, 0, 1};
		BOOST_REQUIRE_EQUAL(snap_index_remove(&index.index, &run, &index.spare), -ENOMEM);
		BOOST_REQUIRE(State(index) == before);
	}
}

BOOST_AUTO_TEST_CASE(what_needs_no_node_works_without_spare_nodes)
{
	TestIndex index;
	BOOST_TEST(index.insert(10, 10, 5) == 0);
	index.lend(0);
	const snap_run join{15, 15, 5}, cut{10, 0, 2}, all{12, 0, 8};
	BOOST_TEST(snap_index_insert(&index.index, &join, &index.spare) == 0);
	BOOST_TEST(snap_index_remove(&index.index, &cut, &index.spare) == 0);
	CHECK_RUNS(index, {{12, 12, 8}});
	BOOST_TEST(snap_index_remove(&index.index, &all, &index.spare) == 0);
	BOOST_TEST(index.spare.nr == 1U);
}

BOOST_AUTO_TEST_CASE(spare_nodes_come_back_in_any_number)
{
	snap_index_spare spare;
	snap_index_spare_init(&spare);
	BOOST_TEST(snap_index_spare_take(&spare) == nullptr);
	alignas(8) static unsigned char memory[3][SNAP_INDEX_NODE_BYTES];
	for (auto &node : memory)
		snap_index_spare_put(&spare, node);
	BOOST_TEST(spare.nr == 3U);
	BOOST_TEST(snap_index_spare_take(&spare) == static_cast<void *>(memory[2]));
	BOOST_TEST(snap_index_spare_take(&spare) == static_cast<void *>(memory[1]));
	BOOST_TEST(snap_index_spare_take(&spare) == static_cast<void *>(memory[0]));
	BOOST_TEST(snap_index_spare_take(&spare) == nullptr);
	BOOST_TEST(spare.nr == 0U);
}

BOOST_AUTO_TEST_CASE(a_walk_begins_inside_of_a_run_with_the_whole_run)
{
	TestIndex index;
	snap_run run;
	BOOST_TEST(index.insert(10, 110, 10) == 0);
	BOOST_TEST(index.insert(30, 130, 10) == 0);
	BOOST_TEST(snap_index_next(&index.index, 15, &run));
	BOOST_TEST(run == (snap_run{10, 110, 10}));
	BOOST_TEST(snap_index_next(&index.index, 20, &run));
	BOOST_TEST(run == (snap_run{30, 130, 10}));
	BOOST_TEST(snap_index_next(&index.index, 39, &run));
	BOOST_TEST(!snap_index_next(&index.index, 40, &run));
}

BOOST_AUTO_TEST_CASE(removing_everything_in_any_order_gives_every_node_back)
{
	for (unsigned seed = 0; seed < 10; seed++) {
		TestIndex index;
		fill_scattered(index, 3000, seed);
		std::vector<chunk_t> order(3000);
		std::iota(order.begin(), order.end(), 0);
		if (seed == 1)
			std::reverse(order.begin(), order.end());
		if (seed > 1)
			std::shuffle(order.begin(), order.end(), std::mt19937_64(seed + 100));
		for (const chunk_t at : order) {
			BOOST_REQUIRE_EQUAL(index.remove(at * 2), 0);
			if (at % 50 == 0)
				BOOST_REQUIRE_EQUAL(index.structure(), "");
		}
		BOOST_TEST(index.index.root == nullptr);
		BOOST_TEST(index.index.height == 0U);
		BOOST_TEST(index.index.nr_nodes == 0U);
		BOOST_TEST(index.index.nr_runs == 0U);
		BOOST_TEST(index.index.nr_chunks == 0U);
	}
}

BOOST_AUTO_TEST_CASE(a_dismantle_gives_back_every_node_once)
{
	for (const unsigned nr : {1U, 32U, 33U, 1000U, 20000U, 40000U}) {
		TestIndex index;
		fill_scattered(index, nr, nr);
		BOOST_TEST(index.dismantle() == "");
		BOOST_TEST(index.insert(1, 2) == 0); // usable again
		CHECK_RUNS(index, {{1, 2, 1}});
	}
}

BOOST_AUTO_TEST_CASE(ascending_and_descending_insertion_leave_full_nodes_behind)
{
	TestIndex up, down;
	for (chunk_t i = 0; i < 200000; i++) {
		BOOST_REQUIRE_EQUAL(up.insert(i * 2, i * 3), 0);
		BOOST_REQUIRE_EQUAL(down.insert((200000 - i) * 2, i * 3), 0);
	}
	BOOST_TEST(up.structure() == "");
	BOOST_TEST(down.structure() == "");
	BOOST_TEST(up.bytes_per_run() <= 17.0);
	BOOST_TEST(down.bytes_per_run() <= 17.0);
	BOOST_TEST_MESSAGE("ascending: " << up.bytes_per_run() << " bytes an entry, descending: " << down.bytes_per_run());
}

BOOST_AUTO_TEST_CASE(streams_that_take_turns_leave_nearly_full_nodes_behind)
{
	TestIndex up, down;
	for (chunk_t i = 0; i < 10000; i++) {
		for (chunk_t stream = 0; stream < 16; stream++) {
			BOOST_REQUIRE_EQUAL(up.insert(stream * 1000000 + i * 2, i * 48 + stream * 3), 0);
			BOOST_REQUIRE_EQUAL(down.insert(stream * 1000000 + 500000 - i * 2, i * 48 + stream * 3), 0);
		}
	}
	BOOST_TEST(up.structure() == "");
	BOOST_TEST(down.structure() == "");
	BOOST_TEST(up.bytes_per_run() <= 18.0);
	BOOST_TEST(down.bytes_per_run() <= 18.0);
	BOOST_TEST_MESSAGE("16 streams, ascending: " << up.bytes_per_run() << " bytes an entry, descending: "
						     << down.bytes_per_run());
}

BOOST_AUTO_TEST_CASE(one_long_run_costs_one_node_however_it_arrives)
{
	TestIndex up, down, scattered;
	for (chunk_t i = 0; i < 50000; i++) {
		BOOST_REQUIRE_EQUAL(up.insert(i, i), 0);
		BOOST_REQUIRE_EQUAL(down.insert(50000 - i, 50000 - i), 0);
		BOOST_REQUIRE_EQUAL(scattered.insert(i * 7919 % 50000, i * 7919 % 50000), 0);
	}
	for (const TestIndex *index : {&up, &down, &scattered}) {
		BOOST_TEST(index->index.nr_nodes == 1U);
		BOOST_TEST(index->index.nr_runs == 1U);
		BOOST_TEST(index->index.nr_chunks == 50000U);
	}
}

BOOST_AUTO_TEST_CASE(a_million_scattered_chunks_are_found_and_packed)
{
	TestIndex index;
	std::mt19937_64 random(1);
	std::vector<chunk_t> chunks;
	for (unsigned i = 0; i < 1000000; i++) {
		const chunk_t chunk = random() % (1ULL << 40);
		const int result = index.insert(chunk, i * 2);
		BOOST_REQUIRE(result == 0 || result == -EEXIST);
		chunks.push_back(result ? SNAP_MAX_CHUNKS : chunk);
	}
	BOOST_TEST(index.structure() == "");
	snap_run run;
	for (unsigned i = 0; i < chunks.size(); i++)
		if (chunks[i] != SNAP_MAX_CHUNKS && !(index.lookup(chunks[i], run) && run.new_chunk == i * 2))
			BOOST_FAIL("chunk " << chunks[i] << " is lost");
	BOOST_TEST(index.bytes_per_run() <= 21.0);
	BOOST_TEST(index.index.height <= 5U);
	BOOST_TEST_MESSAGE("scattered: " << index.bytes_per_run() << " bytes an entry, height " << index.index.height);
}

BOOST_AUTO_TEST_CASE(an_index_that_was_thinned_out_gives_its_memory_back)
{
	TestIndex index;
	fill_scattered(index, 50000, 3);
	std::mt19937_64 random(4);
	for (chunk_t i = 0; i < 50000; i++)
		if (random() % 10)
			BOOST_REQUIRE_EQUAL(index.remove(i * 2), 0);
	BOOST_TEST(index.structure() == "");
	BOOST_TEST(index.bytes_per_run() <= 45.0);
	BOOST_TEST_MESSAGE("one in ten left: " << index.bytes_per_run() << " bytes an entry");
}

BOOST_AUTO_TEST_CASE(filling_one_gap_from_behind_does_not_leave_thin_nodes)
{
	TestIndex index;
	for (chunk_t i = 0; i < 40000; i++)
		BOOST_REQUIRE_EQUAL(index.insert(i * 2, i * 3), 0);
	for (chunk_t i = 0; i < 40000; i++)
		BOOST_REQUIRE_EQUAL(index.insert(1000000 - i * 2, 200000 + i * 3), 0);
	for (chunk_t i = 0; i < 40000; i++)
		BOOST_REQUIRE_EQUAL(index.insert(500000 - i * 2, 500000 + i * 3), 0);
	BOOST_TEST(index.structure() == "");
	BOOST_TEST(index.bytes_per_run() <= 18.0);
}

BOOST_AUTO_TEST_SUITE_END()
