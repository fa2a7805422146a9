// SPDX-License-Identifier: GPL-2.0-or-later
//
// The index against std::map, for many seeds and several habits of writers.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cerrno>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "index_checker.h"

using core_test::TestIndex;

namespace {

// One entry a chunk: nothing to get wrong.
using Model = std::map<chunk_t, chunk_t>;

bool model_free(const Model &model, chunk_t chunk, std::uint64_t nr)
{
	const auto at = model.lower_bound(chunk);
	return at == model.end() || at->first >= chunk + nr;
}

bool model_mapped(const Model &model, chunk_t chunk, std::uint64_t nr)
{
	for (std::uint64_t k = 0; k < nr; k++)
		if (!model.contains(chunk + k))
			return false;
	return true;
}

// The fewest runs that hold the model. The index has no more: it joins what
// continues when it inserts, and removing never brings runs together.
std::vector<snap_run> model_runs(const Model &model)
{
	std::vector<snap_run> runs;
	for (const auto &[old_chunk, new_chunk] : model) {
		if (!runs.empty() && runs.back().old_chunk + runs.back().nr_chunks == old_chunk &&
		    runs.back().new_chunk + runs.back().nr_chunks == new_chunk)
			runs.back().nr_chunks++;
		else
			runs.push_back({old_chunk, new_chunk, 1});
	}
	return runs;
}

std::string compare_lookup(const TestIndex &index, const Model &model, chunk_t chunk)
{
	snap_run run;
	const bool found = index.lookup(chunk, run);
	auto at = model.lower_bound(chunk);
	const std::string where = "chunk " + std::to_string(chunk);
	if (run.old_chunk != chunk)
		return where + ": the answer is about another chunk";
	if (!found) {
		const std::uint64_t hole = (at == model.end() ? SNAP_MAX_CHUNKS : at->first) - chunk;
		return run.nr_chunks == hole && run.new_chunk == 0 ? "" : where + ": wrong hole";
	}
	for (std::uint64_t k = 0; k < run.nr_chunks; k++, ++at)
		if (at == model.end() || at->first != chunk + k || at->second != run.new_chunk + k)
			return where + ": wrong run";
	return "";
}

std::string compare_all(const TestIndex &index, const Model &model, chunk_t space)
{
	if (std::string fault = index.structure(); !fault.empty())
		return fault;
	if (index.index.nr_chunks != model.size())
		return "nr_chunks differs";
	if (index.walk() != model_runs(model))
		return "the walk differs";
	for (chunk_t chunk = 0; chunk < space; chunk++)
		if (std::string fault = compare_lookup(index, model, chunk); !fault.empty())
			return fault;
	return "";
}

// Where a writer goes next, in a space of chunks.
class Habit {
public:
	enum Kind { scattered, runs, ascending, descending, clustered, nr_kinds };

	Habit(Kind kind, chunk_t space, std::mt19937_64 &random) : kind_(kind), space_(space), random_(random) {}

	snap_run next()
	{
		snap_run run{random_() % space_, 0, 1};
		switch (kind_) {
		case runs:
			run.nr_chunks = 1 + random_() % 40;
			break;
		case ascending:
			run.old_chunk = at_ = (at_ + 1 + random_() % 3) % space_;
			break;
		case descending:
			run.old_chunk = at_ = (at_ + space_ - 1 - random_() % 3) % space_;
			break;
		case clustered:
			if (random_() % 30 == 0)
				at_ = random_() % space_;
			run.old_chunk = at_ = (at_ + random_() % 5) % space_;
			run.nr_chunks = 1 + random_() % 3;
			break;
		case scattered:
		case nr_kinds:
			break;
		}
		// Every other new chunk follows the old one, so that runs can join.
		run.new_chunk = random_() % 2 ? run.old_chunk + 11 : random_() % 1000000;
		return run;
	}

private:
	Kind kind_;
	chunk_t space_;
	std::mt19937_64 &random_;
	chunk_t at_ = 0;
};

// One writer, in phases that mostly insert or mostly remove.
std::string play(Habit::Kind kind, unsigned seed, unsigned nr_steps, chunk_t space)
{
	std::mt19937_64 random(seed * 97 + kind);
	Habit habit(kind, space, random);
	TestIndex index;
	Model model;

	for (unsigned step = 0; step < nr_steps; step++) {
		const snap_run run = habit.next();
		const bool inserting = random() % 10 < ((step / 700) % 2 ? 2 : 9);
		if (inserting) {
			const bool fits = model_free(model, run.old_chunk, run.nr_chunks);
			if (index.insert(run.old_chunk, run.new_chunk, run.nr_chunks) != (fits ? 0 : -EEXIST))
				return "insert answers wrongly";
			for (std::uint64_t k = 0; fits && k < run.nr_chunks; k++)
				model[run.old_chunk + k] = run.new_chunk + k;
		} else {
			const bool mapped = model_mapped(model, run.old_chunk, run.nr_chunks);
			if (index.remove(run.old_chunk, run.nr_chunks) != (mapped ? 0 : -ENOENT))
				return "remove answers wrongly";
			for (std::uint64_t k = 0; mapped && k < run.nr_chunks; k++)
				model.erase(run.old_chunk + k);
		}
		if (std::string fault = compare_lookup(index, model, random() % (space + 10)); !fault.empty())
			return "step " + std::to_string(step) + ": " + fault;
		if (step % 50 == 0)
			if (std::string fault = index.structure(); !fault.empty())
				return "step " + std::to_string(step) + ": " + fault;
	}
	if (std::string fault = compare_all(index, model, space + 50); !fault.empty())
		return fault;
	return index.dismantle();
}

void play_seeds(Habit::Kind kind)
{
	for (unsigned seed = 0; seed < 40; seed++) {
		const chunk_t space = seed % 3 == 0 ? 300 : seed % 3 == 1 ? 5000 : 20000;
		const std::string fault = play(kind, seed, 4000, space);
		BOOST_REQUIRE_MESSAGE(fault.empty(), "seed " << seed << ": " << fault);
	}
}

} // namespace

BOOST_AUTO_TEST_SUITE(index_against_a_map)

BOOST_AUTO_TEST_CASE(scattered_chunks_are_kept_as_a_map_keeps_them)
{
	play_seeds(Habit::scattered);
}

BOOST_AUTO_TEST_CASE(runs_of_chunks_are_kept_as_a_map_keeps_them)
{
	play_seeds(Habit::runs);
}

BOOST_AUTO_TEST_CASE(ascending_chunks_are_kept_as_a_map_keeps_them)
{
	play_seeds(Habit::ascending);
}

BOOST_AUTO_TEST_CASE(descending_chunks_are_kept_as_a_map_keeps_them)
{
	play_seeds(Habit::descending);
}

BOOST_AUTO_TEST_CASE(clustered_chunks_are_kept_as_a_map_keeps_them)
{
	play_seeds(Habit::clustered);
}

BOOST_AUTO_TEST_CASE(a_tree_of_three_levels_is_torn_down_in_pieces_as_a_map_is)
{
	for (unsigned seed = 0; seed < 4; seed++) {
		std::mt19937_64 random(seed);
		TestIndex index;
		Model model;
		for (unsigned i = 0; i < 30000; i++) {
			const chunk_t chunk = random() % 100000;
			if (index.insert(chunk, i * 2) == 0)
				model[chunk] = i * 2;
		}
		BOOST_REQUIRE_GE(index.index.height, 3U);
		while (!model.empty()) {
			auto at = model.lower_bound(random() % 100000);
			if (at == model.end())
				at = model.begin();
			std::uint64_t nr = 1;
			for (auto next = std::next(at); next != model.end() && next->first == at->first + nr && nr < 5; ++next)
				nr++;
			const chunk_t chunk = at->first;
			BOOST_REQUIRE_EQUAL(index.remove(chunk, nr), 0);
			for (std::uint64_t k = 0; k < nr; k++)
				model.erase(chunk + k);
			if (model.size() % 500 == 0)
				BOOST_REQUIRE_EQUAL(index.structure(), "");
		}
		BOOST_TEST(index.index.nr_nodes == 0U);
	}
}

BOOST_AUTO_TEST_SUITE_END()
