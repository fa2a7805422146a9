// SPDX-License-Identifier: GPL-2.0-or-later
//
// The builder of an index, next to the index that inserts one by one.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "build_checker.h"

using core_test::TestBuild;
using core_test::TestIndex;

static std::ostream &operator<<(std::ostream &out, const snap_run &run)
{
	return out << run.old_chunk << "->" << run.new_chunk << " x" << run.nr_chunks;
}

namespace {

using Runs = std::vector<snap_run>;

constexpr chunk_t last_chunk = SNAP_MAX_CHUNKS - 1;

// The sizes around which nodes, digits, levels and steps begin and end.
constexpr unsigned sizes[] = {0, 1, 2, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025, 16383, 16385, 33000, 100000};

Runs in_order(unsigned nr, chunk_t stride = 3)
{
	Runs runs(nr);
	for (unsigned i = 0; i < nr; i++)
		runs[i] = {i * stride, i * 2, 1};
	return runs;
}

Runs shuffled(Runs runs, unsigned seed)
{
	std::shuffle(runs.begin(), runs.end(), std::mt19937_64(seed));
	return runs;
}

// The nodes of a tree that has no more than it needs.
std::uint64_t full_nodes(std::uint64_t nr_runs)
{
	std::uint64_t nr = 0, level = nr_runs;
	do {
		level = (level + 31) / 32;
		nr += level;
	} while (level > 1);
	return nr;
}

void add_all(TestBuild &build, const Runs &runs)
{
	for (const snap_run &run : runs)
		BOOST_REQUIRE_EQUAL(build.add(run), 0);
}

// Builds @runs, none of which overlap, and compares with what inserting gives.
void check_builds(const Runs &runs, const std::string &what)
{
	TestBuild build;
	TestIndex inserted;
	add_all(build, runs);
	BOOST_REQUIRE_EQUAL(build.index.index.root, nullptr);
	BOOST_REQUIRE_EQUAL(build.finish(), 0);
	for (const snap_run &run : runs)
		BOOST_REQUIRE_EQUAL(inserted.insert(run.old_chunk, run.new_chunk, run.nr_chunks), 0);
	const TestIndex &index = build.index;
	BOOST_TEST_CONTEXT(what << ", " << runs.size() << " runs") {
		BOOST_TEST(index.structure() == "");
		BOOST_TEST((index.walk() == inserted.walk()));
		BOOST_TEST(index.index.nr_chunks == inserted.index.nr_chunks);
		BOOST_TEST(index.index.nr_nodes == (runs.empty() ? 0 : full_nodes(index.index.nr_runs)));
		BOOST_TEST(build.build.nr_nodes == 0U);
		BOOST_TEST(build.index.dismantle() == "");
	}
}

bool in_two_runs(const Runs &runs, chunk_t chunk)
{
	return std::count_if(runs.begin(), runs.end(),
			     [chunk](const snap_run &run) { return chunk - run.old_chunk < run.nr_chunks; }) > 1;
}

void check_refuses(const Runs &runs)
{
	TestBuild build;
	add_all(build, runs);
	BOOST_REQUIRE_EQUAL(build.finish(), -EEXIST);
	const snap_run &overlap = build.build.overlap;
	BOOST_TEST(overlap.nr_chunks >= 1U);
	BOOST_TEST(in_two_runs(runs, overlap.old_chunk));
	BOOST_TEST(in_two_runs(runs, overlap.old_chunk + overlap.nr_chunks - 1));
	BOOST_TEST(build.index.index.root == nullptr);
	BOOST_TEST(build.give_up() > 0U);
}

} // namespace

BOOST_AUTO_TEST_SUITE(index_builder)

BOOST_AUTO_TEST_CASE(nothing_added_builds_an_empty_index)
{
	TestBuild build;
	BOOST_TEST(snap_build_step(&build.build, &build.index.index, &build.index.spare) == 0);
	BOOST_TEST(build.index.index.root == nullptr);
	BOOST_TEST(snap_build_dismantle(&build.build) == nullptr);
}

BOOST_AUTO_TEST_CASE(runs_in_any_order_build_what_inserting_them_builds)
{
	for (const unsigned nr : sizes) {
		Runs runs = in_order(nr);
		check_builds(runs, "ascending");
		std::reverse(runs.begin(), runs.end());
		check_builds(runs, "descending");
		check_builds(shuffled(runs, nr), "scattered");
		std::sort(runs.begin(), runs.end(), [](const snap_run &a, const snap_run &b) {
			return std::pair(a.old_chunk % 16, a.old_chunk) < std::pair(b.old_chunk % 16, b.old_chunk);
		});
		check_builds(runs, "16 streams");
	}
}

BOOST_AUTO_TEST_CASE(runs_that_continue_each_other_are_joined_in_whatever_order_they_come)
{
	for (const unsigned nr : sizes) {
		Runs runs(nr);
		for (unsigned i = 0; i < nr; i++) // blocks of seven
			runs[i] = {i, i + i / 7 * 10, 1};
		check_builds(runs, "blocks, ascending");
		check_builds(shuffled(runs, nr), "blocks, scattered");
		for (unsigned i = 0; i < nr; i++) // one
			runs[i] = {i, i, 1};
		check_builds(shuffled(runs, nr), "one block, scattered");
	}
}

BOOST_AUTO_TEST_CASE(nodes_that_joining_left_over_are_given_back)
{
	TestBuild build;
	Runs runs(100000);
	for (unsigned i = 0; i < runs.size(); i++)
		runs[i] = {i, i, 1};
	add_all(build, shuffled(runs, 5));
	BOOST_TEST(build.finish() == 0);
	BOOST_TEST(build.index.index.nr_nodes == 1U);
	BOOST_TEST(build.index.index.nr_runs == 1U);
	BOOST_TEST(build.index.spare.nr > 3000U);
}

BOOST_AUTO_TEST_CASE(runs_are_joined_up_to_what_one_entry_holds)
{
	TestBuild build;
	for (chunk_t i = 0; i < SNAP_INDEX_MAX_RUN + 5; i++)
		BOOST_REQUIRE_EQUAL(build.add({i, i, 1}), 0);
	BOOST_TEST(build.finish() == 0);
	BOOST_TEST((build.index.walk() == Runs{{0, 0, SNAP_INDEX_MAX_RUN}, {SNAP_INDEX_MAX_RUN, SNAP_INDEX_MAX_RUN, 5}}));
	check_builds({{SNAP_INDEX_MAX_RUN, SNAP_INDEX_MAX_RUN, 1}, {0, 0, SNAP_INDEX_MAX_RUN}}, "long runs");
	check_builds({{SNAP_INDEX_MAX_RUN - 1, SNAP_INDEX_MAX_RUN - 1, 1}, {0, 0, SNAP_INDEX_MAX_RUN - 1}}, "long runs");
	check_builds({{last_chunk, last_chunk, 1}, {0, 0, 1}}, "the ends");
}

BOOST_AUTO_TEST_CASE(keys_of_all_bits_are_sorted)
{
	for (const unsigned nr : sizes) {
		std::mt19937_64 random(nr);
		Runs runs(nr);
		for (unsigned i = 0; i < nr; i++)
			runs[i] = {random() >> 10, i, 1};
		check_builds(runs, "54 bits");
	}
}

// Keys in which each digit splits off as little as it can.
BOOST_AUTO_TEST_CASE(keys_that_share_most_of_their_digits_are_sorted)
{
	std::mt19937_64 random(1);
	for (unsigned low = 1; low < 54; low += 3) {
		const chunk_t base = (random() >> 10) & ~((1ULL << low) - 1);
		Runs runs;
		for (chunk_t i = 0; i < std::min(1ULL << low, 5000ULL); i++)
			runs.push_back({base + i * std::max((1ULL << low) / 5000, 1ULL), 9 * i, 1});
		check_builds(shuffled(runs, low), "a narrow range");
	}
	Runs runs;
	for (unsigned bit = 0; bit < 54; bit++) // 40 keys below each power of two
		for (chunk_t i = 1; i <= std::min(40ULL, 1ULL << bit >> 1); i++)
			runs.push_back({(1ULL << bit) - i, 1000 * bit + 2 * i, 1});
	check_builds(shuffled(runs, 2), "powers of two");
	runs.clear();
	for (unsigned low = 0; low < 50; low += 4) // each digit leaves one behind
		for (chunk_t i = 0; i < 40; i++)
			runs.push_back({(last_chunk >> low << low) - i - 1, 100 * low + 2 * i, 1});
	std::sort(runs.begin(), runs.end(), [](const snap_run &a, const snap_run &b) { return a.old_chunk < b.old_chunk; });
	runs.erase(std::unique(runs.begin(), runs.end(),
			       [](const snap_run &a, const snap_run &b) { return a.old_chunk == b.old_chunk; }),
		   runs.end());
	check_builds(shuffled(runs, 3), "nines");
}

BOOST_AUTO_TEST_CASE(runs_of_many_lengths_are_sorted_by_where_they_begin)
{
	for (const unsigned nr : sizes) {
		std::mt19937_64 random(nr);
		Runs runs;
		chunk_t at = 0;
		for (unsigned i = 0; i < nr; i++) {
			const std::uint64_t length = 1 + (random() % SNAP_INDEX_MAX_RUN >> random() % 20);
			at += random() % 3;
			runs.push_back({at, random() % (1ULL << 40), length});
			at += length;
		}
		check_builds(runs, "lengths, ascending");
		check_builds(shuffled(runs, nr), "lengths, scattered");
	}
}

BOOST_AUTO_TEST_CASE(a_chunk_in_two_runs_is_found_and_told)
{
	for (const unsigned nr : sizes) {
		if (!nr)
			continue;
		const Runs runs = in_order(nr);
		for (const unsigned at : {0U, nr / 2, nr - 1}) {
			for (const bool last : {false, true}) {
				Runs twice = runs;
				twice.insert(last ? twice.end() : twice.begin(), {at * 3, 1, 1});
				check_refuses(twice);
				check_refuses(shuffled(twice, nr + at));
			}
		}
		check_refuses(Runs(nr + 1, snap_run{7, 9, 1})); // and no two differ
	}
}

BOOST_AUTO_TEST_CASE(the_overlap_that_is_told_is_exact)
{
	const auto overlap_of = [](const Runs &runs) {
		TestBuild build;
		add_all(build, runs);
		BOOST_TEST(build.finish() == -EEXIST);
		return build.build.overlap;
	};
	BOOST_TEST(overlap_of({{10, 100, 11}, {15, 200, 3}}) == (snap_run{15, 200, 3}));
	BOOST_TEST(overlap_of({{15, 200, 3}, {10, 100, 11}}) == (snap_run{15, 200, 3}));
	BOOST_TEST(overlap_of({{10, 100, 6}, {15, 200, 30}}) == (snap_run{15, 200, 1}));
	BOOST_TEST(overlap_of({{0, 0, SNAP_INDEX_MAX_RUN}, {5, 1, 1}}).old_chunk == 5U);
	BOOST_TEST(overlap_of({{10, 100, 5}, {0, 90, 10}, {14, 7, 1}}) == (snap_run{14, 7, 1}));
}

BOOST_AUTO_TEST_CASE(random_runs_are_refused_exactly_when_they_overlap)
{
	for (unsigned seed = 0; seed < 300; seed++) {
		std::mt19937_64 random(seed);
		const chunk_t space = 1ULL << (8 + random() % 12);
		Runs runs;
		for (unsigned nr = static_cast<unsigned>(random() % 60); nr; nr--)
			runs.push_back({random() % space, random() % 100, 1 + random() % 4});
		TestIndex inserted;
		const bool fits = std::all_of(runs.begin(), runs.end(), [&inserted](const snap_run &run) {
			return inserted.insert(run.old_chunk, run.new_chunk, run.nr_chunks) == 0;
		});
		if (fits)
			check_builds(runs, "random");
		else
			check_refuses(runs);
	}
}

BOOST_AUTO_TEST_CASE(a_run_out_of_range_is_refused_and_changes_nothing)
{
	TestBuild build;
	BOOST_TEST(build.add({5, 5, 5}) == 0);
	const snap_build before = build.build;
	for (const snap_run run :
	     {snap_run{20, 20, 0}, {20, 20, SNAP_INDEX_MAX_RUN + 1}, {20, 20, UINT64_MAX}, {last_chunk, 20, 2},
	      {20, last_chunk, 2}, {SNAP_MAX_CHUNKS, 20, 1}, {20, SNAP_MAX_CHUNKS, 1}, {UINT64_MAX, 20, 1}, {20, UINT64_MAX, 1}}) {
		BOOST_TEST(build.add(run) == -ERANGE);
		BOOST_TEST(std::memcmp(&before, &build.build, sizeof(before)) == 0);
	}
}

BOOST_AUTO_TEST_CASE(an_add_without_a_node_or_room_in_the_table_changes_nothing)
{
	TestBuild build;
	unsigned nr_nodes = 0, nr_tables = 0;
	for (const snap_run &run : shuffled(in_order(40000), 1)) {
		snap_build before = build.build;
		int result = snap_build_add(&build.build, &run, &build.index.spare);
		if (result == -ENOMEM && !build.index.spare.nr) {
			BOOST_REQUIRE(std::memcmp(&before, &build.build, sizeof(before)) == 0);
			build.lend(1);
			nr_nodes++;
			result = snap_build_add(&build.build, &run, &build.index.spare);
		}
		if (result == -ENOMEM) {
			BOOST_REQUIRE(std::memcmp(&before, &build.build, sizeof(before)) == 0);
			build.lend_table(true);
			nr_tables++;
			result = snap_build_add(&build.build, &run, &build.index.spare);
		}
		BOOST_REQUIRE_EQUAL(result, 0);
	}
	BOOST_TEST(nr_nodes == 40000U / 32);
	BOOST_TEST(nr_tables > 1000U);
	BOOST_TEST(build.finish() == 0);
	BOOST_TEST(build.index.structure() == "");
}

BOOST_AUTO_TEST_CASE(a_step_without_a_node_goes_on_when_it_gets_one)
{
	for (const unsigned nr : {1U, 32U, 33U, 1025U, 40000U}) {
		TestBuild build;
		add_all(build, shuffled(in_order(nr), nr));
		const std::uint64_t nr_leaves = (nr + 31) / 32;
		std::uint64_t nr_lent = build.build.nr_nodes + build.index.spare.nr;
		int result = 0;
		do {
			result = snap_build_step(&build.build, &build.index.index, &build.index.spare);
			if (result == -ENOMEM) {
				build.lend(1);
				build.lend_table(true);
				nr_lent++;
			}
		} while (result == 1 || result == -ENOMEM);
		BOOST_TEST(result == 0);
		BOOST_TEST(build.index.structure() == "");
		BOOST_TEST(build.index.index.nr_nodes + build.index.spare.nr <= nr_lent);
		BOOST_TEST(build.index.index.nr_nodes == full_nodes(nr));
		BOOST_TEST(build.index.index.nr_nodes >= nr_leaves);
	}
}

BOOST_AUTO_TEST_CASE(no_more_nodes_are_taken_in_a_step_than_are_asked_for)
{
	TestBuild build;
	add_all(build, shuffled(in_order(100000), 9));
	build.lend_table();
	int result;
	do {
		build.index.lend(SNAP_BUILD_SPARE);
		result = snap_build_step(&build.build, &build.index.index, &build.index.spare);
		BOOST_REQUIRE_GE(result, 0);
	} while (result);
	BOOST_TEST(build.index.structure() == "");
}

BOOST_AUTO_TEST_CASE(giving_up_at_any_step_gives_every_node_back)
{
	for (unsigned nr_steps = 0;; nr_steps++) {
		TestBuild build;
		add_all(build, shuffled(in_order(33000), 4));
		int result = 1;
		for (unsigned i = 0; i < nr_steps && result; i++) {
			build.index.lend(SNAP_BUILD_SPARE);
			build.lend_table();
			result = snap_build_step(&build.build, &build.index.index, &build.index.spare);
		}
		if (!result) {
			BOOST_TEST(nr_steps > 10U);
			break;
		}
		BOOST_REQUIRE_EQUAL(build.index.index.root, nullptr);
		BOOST_REQUIRE_GE(build.give_up(), 33000U / 32); // what is missing, the sanitizer finds
	}
}

BOOST_AUTO_TEST_CASE(steps_are_short)
{
	TestBuild build;
	add_all(build, shuffled(in_order(100000), 4));
	BOOST_TEST(build.finish() == 0);
	BOOST_TEST(build.nr_steps > 4 * 100000U / 16384);
	BOOST_TEST(build.nr_steps < 100U);
}

BOOST_AUTO_TEST_CASE(a_builder_that_is_done_builds_again)
{
	TestBuild build;
	for (const unsigned nr : {100U, 5U, 2000U}) {
		add_all(build, shuffled(in_order(nr), nr));
		BOOST_TEST(build.finish() == 0);
		BOOST_TEST(build.index.structure() == "");
		BOOST_TEST(build.index.index.nr_runs == nr);
		BOOST_TEST(build.index.dismantle() == "");
	}
}

BOOST_AUTO_TEST_CASE(an_index_that_was_built_takes_inserts_and_removes)
{
	for (const unsigned nr : {1U, 32U, 33U, 1024U, 1025U, 33000U}) {
		TestBuild build;
		TestIndex &index = build.index, inserted;
		std::mt19937_64 random(nr);
		add_all(build, shuffled(in_order(nr), nr));
		BOOST_REQUIRE_EQUAL(build.finish(), 0);
		for (const snap_run &run : in_order(nr))
			BOOST_REQUIRE_EQUAL(inserted.insert(run.old_chunk, run.new_chunk), 0);
		for (unsigned step = 0; step < 20000; step++) {
			const chunk_t chunk = random() % (nr * 3);
			const std::uint64_t length = 1 + random() % 3;
			if (random() % 5 < (step / 4000 % 2 ? 4 : 2))
				BOOST_REQUIRE_EQUAL(index.remove(chunk, length), inserted.remove(chunk, length));
			else
				BOOST_REQUIRE_EQUAL(index.insert(chunk, step * 9, length),
						    inserted.insert(chunk, step * 9, length));
			if (step % 500 == 0)
				BOOST_REQUIRE_EQUAL(index.structure(), "");
		}
		BOOST_TEST(index.structure() == "");
		BOOST_TEST((index.walk() == inserted.walk()));
		for (const snap_run &run : index.walk())
			BOOST_REQUIRE_EQUAL(index.remove(run.old_chunk, run.nr_chunks), 0);
		BOOST_TEST(index.index.nr_nodes == 0U);
	}
}

BOOST_AUTO_TEST_CASE(a_million_scattered_chunks_are_packed_fully)
{
	TestBuild build;
	add_all(build, shuffled(in_order(1000000, 1000), 1));
	BOOST_TEST(build.finish() == 0);
	BOOST_TEST(build.index.structure() == "");
	BOOST_TEST(build.index.bytes_per_run() <= 16.6);
	BOOST_TEST_MESSAGE("built: " << build.index.bytes_per_run() << " bytes an entry, height " << build.index.index.height);
}

BOOST_AUTO_TEST_SUITE_END()
