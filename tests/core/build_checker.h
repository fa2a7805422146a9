// SPDX-License-Identifier: GPL-2.0-or-later
//
// A builder with the memory that it needs, and nothing more: what it takes is
// counted, so that a test sees every node again.
#ifndef CORE_BUILD_CHECKER_H
#define CORE_BUILD_CHECKER_H

#include <cerrno>
#include <cstdlib>

#include "index_checker.h"

extern "C" {
#include "snap_build.h"
}

namespace core_test {

// The index that it makes, and the spare nodes, are those of a TestIndex.
class TestBuild {
public:
	TestBuild() { snap_build_init(&build); }
	TestBuild(const TestBuild &) = delete;
	TestBuild &operator=(const TestBuild &) = delete;
	~TestBuild()
	{
		give_up();
		std::free(build.table);
	}

	// At least @nr spare nodes.
	void lend(std::uint32_t nr)
	{
		if (index.spare.nr < nr)
			index.lend(nr);
	}

	// The table as it must be for the next add, to the pointer or with room.
	void lend_table(bool exact = false)
	{
		const std::uint64_t needed = snap_build_table_needed(&build);
		if (needed <= build.max_nodes)
			return;
		const std::uint64_t nr = exact ? needed : needed * 2;
		auto *table = static_cast<void **>(std::malloc(nr * sizeof(void *)));
		if (!table)
			throw std::bad_alloc();
		std::free(snap_build_table_set(&build, table, nr));
	}

	int add(const snap_run &run)
	{
		const int result = snap_build_add(&build, &run, &index.spare);
		if (result != -ENOMEM)
			return result;
		lend(1);
		lend_table();
		return snap_build_add(&build, &run, &index.spare);
	}

	int finish()
	{
		int result;
		do {
			lend(SNAP_BUILD_SPARE);
			lend_table();
			result = snap_build_step(&build, &index.index, &index.spare);
			nr_steps++;
		} while (result > 0);
		return result;
	}

	std::uint64_t give_up()
	{
		std::uint64_t nr = 0;
		while (void *memory = snap_build_dismantle(&build)) {
			std::free(memory);
			nr++;
		}
		return nr;
	}

	snap_build build;
	TestIndex index;
	std::uint64_t nr_steps = 0;
};

} // namespace core_test

#endif
