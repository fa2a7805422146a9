// SPDX-License-Identifier: GPL-2.0-or-later
//
// Any bytes as a sequence of operations on an index, next to a std::map. The index
// is empty at first, or built.
#include <algorithm>
#include <cerrno>
#include <map>
#include <vector>

#include "build_checker.h"
#include "fuzz_input.h"

namespace {

using Model = std::map<chunk_t, chunk_t>; // one entry a chunk

class Session {
public:
	explicit Session(fuzz::Input &input) : input_(input)
	{
		// At the far end of the numbers everything has to work as well.
		const std::uint8_t flags = input_.byte();
		if (flags % 2)
			base_ = SNAP_MAX_CHUNKS - 0x10000;
		stride_ = 1 + input_.byte() % 4;
		built_ = flags / 2 % 2;
	}

	void run()
	{
		if (built_)
			build();
		while (!input_.ended()) {
			const std::uint8_t operation = input_.byte();
			const chunk_t chunk = base_ + input_.number(2);
			if (operation < 128)
				insert_many(chunk, operation);
			else if (operation < 224)
				remove(chunk, 1 + operation % 32U);
			else if (operation < 240)
				look(chunk);
			else
				insert(chunk, input_.number(7), input_.number(3));
		}
		finish();
	}

private:
	// Some runs, then the index of them, or a word about those that overlap.
	void build()
	{
		std::vector<snap_run> runs;
		bool overlap = false;
		for (unsigned nr = input_.byte() * 4U; nr && !input_.ended(); nr--) {
			const std::uint8_t kind = input_.byte();
			snap_run run{base_ + input_.number(2), next_new_ += 2, 1 + kind % 3U};
			if (kind & 64) { // far away, where other digits differ
				run.old_chunk = input_.number(7) % (SNAP_MAX_CHUNKS - 256);
				run.nr_chunks = 1;
			}
			if (kind & 128)
				run.new_chunk = run.old_chunk;
			for (unsigned i = 0; i < (kind & 32 ? 16U : 1U); i++, run.old_chunk += 5 * stride_, run.new_chunk += 5 * stride_)
				if (in_range(run.old_chunk, run.nr_chunks) && in_range(run.new_chunk, run.nr_chunks))
					runs.push_back(run);
		}
		for (const snap_run &run : runs) {
			fuzz::require(build_.add(run) == 0, "a run is refused");
			for (std::uint64_t k = 0; k < run.nr_chunks; k++)
				overlap |= !model_.emplace(run.old_chunk + k, run.new_chunk + k).second;
		}
		fuzz::require(build_.finish() == (overlap ? -EEXIST : 0), "the builder answers wrongly");
		if (overlap) {
			const snap_run &twice = build_.build.overlap;
			const auto covers = [&twice](const snap_run &run) { return twice.old_chunk - run.old_chunk < run.nr_chunks; };
			fuzz::require(std::count_if(runs.begin(), runs.end(), covers) > 1, "an overlap that is none");
			fuzz::require(build_.give_up() > 0, "the nodes of a builder are lost");
			model_.clear();
		}
		const std::string fault = index_.structure();
		fuzz::require(fault.empty(), fault.c_str());
	}

	// Few bytes of input have to make a tree of some levels.
	void insert_many(chunk_t chunk, std::uint8_t operation)
	{
		const std::uint64_t nr = operation % 2 ? 1 : 1 + operation;
		for (std::uint64_t i = 0; i < nr; i++)
			insert(chunk + i * stride_, operation % 4 < 2 ? chunk + i * stride_ : next_new_ += 2, 1 + operation % 3U);
	}

	void insert(chunk_t old_chunk, chunk_t new_chunk, std::uint64_t nr)
	{
		const int result = index_.insert(old_chunk, new_chunk, nr);
		if (!in_range(old_chunk, nr) || !in_range(new_chunk, nr)) {
			fuzz::require(result == -ERANGE, "a range that should be refused");
			return;
		}
		if (nr > 4096) { // too long for a model of single chunks
			if (result == 0)
				fuzz::require(index_.remove(old_chunk, nr) == 0, "what was inserted cannot be removed");
			return;
		}
		const auto at = model_.lower_bound(old_chunk);
		const bool fits = at == model_.end() || at->first >= old_chunk + nr;
		fuzz::require(result == (fits ? 0 : -EEXIST), "insert answers wrongly");
		for (std::uint64_t k = 0; fits && k < nr; k++)
			model_[old_chunk + k] = new_chunk + k;
	}

	void remove(chunk_t chunk, std::uint64_t nr)
	{
		const int result = index_.remove(chunk, nr);
		if (!in_range(chunk, nr)) {
			fuzz::require(result == -ERANGE, "a range that should be refused");
			return;
		}
		bool mapped = true;
		for (std::uint64_t k = 0; k < nr; k++)
			mapped = mapped && model_.contains(chunk + k);
		fuzz::require(result == (mapped ? 0 : -ENOENT), "remove answers wrongly");
		for (std::uint64_t k = 0; mapped && k < nr; k++)
			model_.erase(chunk + k);
	}

	void look(chunk_t chunk)
	{
		snap_run run;
		const bool found = index_.lookup(chunk, run);
		const auto at = model_.find(chunk);
		fuzz::require(found == (at != model_.end()), "a chunk is lost, or found that was not there");
		fuzz::require(!found || run.new_chunk == at->second, "a chunk leads elsewhere");
		if (!found) {
			const auto next = model_.lower_bound(chunk);
			const chunk_t end = next == model_.end() ? SNAP_MAX_CHUNKS : next->first;
			fuzz::require(run.nr_chunks == end - chunk, "a hole of the wrong length");
		}
		const std::string fault = index_.structure();
		fuzz::require(fault.empty(), fault.c_str());
	}

	void finish()
	{
		std::string fault = index_.structure();
		fuzz::require(fault.empty(), fault.c_str());
		auto at = model_.begin();
		for (const snap_run &run : index_.walk()) {
			for (std::uint64_t k = 0; k < run.nr_chunks; k++, ++at)
				fuzz::require(at != model_.end() && at->first == run.old_chunk + k &&
						      at->second == run.new_chunk + k,
					      "the walk differs");
		}
		fuzz::require(at == model_.end(), "the walk is too short");
		fault = index_.dismantle();
		fuzz::require(fault.empty(), fault.c_str());
	}

	static bool in_range(chunk_t chunk, std::uint64_t nr)
	{
		return nr && nr <= SNAP_INDEX_MAX_RUN && chunk < SNAP_MAX_CHUNKS && nr <= SNAP_MAX_CHUNKS - chunk;
	}

	fuzz::Input &input_;
	core_test::TestBuild build_;
	core_test::TestIndex &index_ = build_.index;
	Model model_;
	chunk_t base_ = 0;
	chunk_t next_new_ = 0;
	std::uint64_t stride_;
	bool built_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	fuzz::Input input(data, size);
	Session(input).run();
	return 0;
}
