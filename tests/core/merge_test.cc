// SPDX-License-Identifier: GPL-2.0-or-later
//
// Planning a batch of a merge against a model that moves chunk by chunk.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <vector>

extern "C" {
#include "snap_merge.h"
}

namespace {

using Copies = std::map<chunk_t, chunk_t>; // old chunk to new chunk

// How few runs can move @copies: one begins wherever the one before does not continue or is full.
std::uint32_t naive_runs(const Copies &copies, std::uint64_t max_chunks)
{
	std::uint32_t nr = 0;
	std::uint64_t length = 0;
	chunk_t last_old = 0, last_new = 0;
	for (const auto &[old_chunk, new_chunk] : copies) {
		if (length && old_chunk == last_old + 1 && new_chunk == last_new + 1 && length < max_chunks) {
			length++;
		} else {
			nr++;
			length = 1;
		}
		last_old = old_chunk;
		last_new = new_chunk;
	}
	return nr;
}

void check_plan(std::vector<snap_run> runs, std::uint64_t max_chunks)
{
	Copies expected, planned;
	for (const auto &run : runs)
		expected[run.old_chunk] = run.new_chunk;
	const std::uint32_t nr = snap_merge_plan(runs.data(), static_cast<std::uint32_t>(runs.size()), max_chunks);

	BOOST_REQUIRE_EQUAL(nr, naive_runs(expected, max_chunks));
	for (std::uint32_t i = 0; i < nr; i++) {
		BOOST_REQUIRE_LE(runs[i].nr_chunks, std::max<std::uint64_t>(max_chunks, 1));
		if (i)
			BOOST_REQUIRE_LE(runs[i - 1].old_chunk + runs[i - 1].nr_chunks, runs[i].old_chunk);
		for (std::uint64_t k = 0; k < runs[i].nr_chunks; k++)
			planned[runs[i].old_chunk + k] = runs[i].new_chunk + k;
	}
	BOOST_REQUIRE(planned == expected);
}

} // namespace

BOOST_AUTO_TEST_SUITE(merge)

BOOST_AUTO_TEST_CASE(nothing_to_merge_is_no_run)
{
	BOOST_TEST(snap_merge_plan(nullptr, 0, 16) == 0U);
}

BOOST_AUTO_TEST_CASE(entries_that_continue_each_other_become_one_run_in_any_order)
{
	std::vector<snap_run> runs{{12, 42, 1}, {10, 40, 1}, {13, 43, 1}, {11, 41, 1}};
	BOOST_TEST(snap_merge_plan(runs.data(), 4, 16) == 1U);
	BOOST_TEST(runs[0].old_chunk == 10U);
	BOOST_TEST(runs[0].new_chunk == 40U);
	BOOST_TEST(runs[0].nr_chunks == 4U);
}

BOOST_AUTO_TEST_CASE(entries_that_continue_each_other_on_one_device_only_stay_apart)
{
	std::vector<snap_run> runs{{10, 40, 1}, {11, 42, 1}, {20, 43, 1}, {21, 41, 1}};
	BOOST_TEST(snap_merge_plan(runs.data(), 4, 16) == 4U);
	BOOST_TEST(runs[0].old_chunk == 10U);
	BOOST_TEST(runs[3].old_chunk == 21U);
}

BOOST_AUTO_TEST_CASE(a_run_is_cut_at_the_limit)
{
	std::vector<snap_run> runs;
	for (chunk_t i = 0; i < 10; i++)
		runs.push_back({i, i + 100, 1});
	BOOST_TEST(snap_merge_plan(runs.data(), 10, 4) == 3U);
	BOOST_TEST(runs[0].nr_chunks == 4U);
	BOOST_TEST(runs[1].nr_chunks == 4U);
	BOOST_TEST(runs[2].nr_chunks == 2U);
	BOOST_TEST(runs[2].old_chunk == 8U);
	BOOST_TEST(runs[2].new_chunk == 108U);
}

BOOST_AUTO_TEST_CASE(a_limit_of_one_or_none_leaves_single_entries)
{
	for (const std::uint64_t limit : {0U, 1U}) {
		std::vector<snap_run> runs{{1, 11, 1}, {0, 10, 1}};
		BOOST_TEST(snap_merge_plan(runs.data(), 2, limit) == 2U);
		BOOST_TEST(runs[0].old_chunk == 0U);
	}
}

BOOST_AUTO_TEST_CASE(every_plan_moves_what_a_naive_one_moves_in_as_few_runs)
{
	for (unsigned seed = 0; seed < 500; seed++) {
		BOOST_TEST_CONTEXT("seed " << seed) {
			std::mt19937_64 random(seed);
			Copies copies;
			chunk_t new_chunk = 2;
			while (copies.size() < 1 + seed % 200) {
				chunk_t old_chunk = random() % 300;
				for (std::uint64_t k = random() % 12; k--; old_chunk++, new_chunk++)
					copies.try_emplace(old_chunk, new_chunk);
				new_chunk += random() % 2;
			}
			std::vector<snap_run> runs;
			for (const auto &[from, to] : copies)
				runs.push_back({from, to, 1});
			std::shuffle(runs.begin(), runs.end(), random);
			check_plan(runs, 1 + random() % 20);
			check_plan(runs, UINT64_MAX);
		}
	}
}

BOOST_AUTO_TEST_CASE(a_batch_takes_what_fits_into_its_bytes)
{
	BOOST_TEST(snap_merge_batch_entries(100, 32, 1 << 20) == 64U);
	BOOST_TEST(snap_merge_batch_entries(64, 32, 1 << 20) == 64U);
	BOOST_TEST(snap_merge_batch_entries(63, 32, 1 << 20) == 63U);
	BOOST_TEST(snap_merge_batch_entries(100, 32, (1 << 20) - 1) == 63U);
	BOOST_TEST(snap_merge_batch_entries(100, 32, UINT64_MAX) == 100U);
}

BOOST_AUTO_TEST_CASE(a_batch_takes_one_entry_where_not_even_that_fits)
{
	BOOST_TEST(snap_merge_batch_entries(100, 1U << 21, 1 << 20) == 1U);
	BOOST_TEST(snap_merge_batch_entries(1, 32, 0) == 1U);
}

BOOST_AUTO_TEST_CASE(a_batch_of_nothing_is_empty)
{
	BOOST_TEST(snap_merge_batch_entries(0, 32, 1 << 20) == 0U);
	BOOST_TEST(snap_merge_batch_entries(0, 32, 0) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
