// SPDX-License-Identifier: GPL-2.0-only
/*
 * Planning one batch of a merge.
 *
 * The last entries of the list are cut off together, and a crash may leave any of them:
 * so the order in which they were appended is free to forget. Sorted by their place
 * on the origin they become the fewest and longest copies.
 */
#include "snap_merge.h"
#include "snap_format.h"

static int snap_run_cmp(const void *a, const void *b)
{
	const struct snap_run *left = a, *right = b;

	if (left->old_chunk != right->old_chunk)
		return left->old_chunk < right->old_chunk ? -1 : 1;
	return 0;
}

static bool snap_runs_are_sorted(const struct snap_run *runs, u32 nr)
{
	u32 i;

	for (i = 1; i < nr; i++) {
		if (snap_run_cmp(&runs[i - 1], &runs[i]) > 0)
			return false;
	}
	return true;
}

static bool snap_run_joins(const struct snap_run *run, const struct snap_run *next, u64 max_chunks)
{
	return run->old_chunk + run->nr_chunks == next->old_chunk &&
	       run->new_chunk + run->nr_chunks == next->new_chunk &&
	       run->nr_chunks < max_chunks && next->nr_chunks <= max_chunks - run->nr_chunks;
}

u32 snap_merge_plan(struct snap_run *runs, u32 nr, u64 max_chunks)
{
	u32 last = 0, i;

	if (!nr)
		return 0;

	/* What was written in order is in order, and one look is cheaper than a heap. */
	if (!snap_runs_are_sorted(runs, nr))
		snap_sort(runs, nr, sizeof(*runs), snap_run_cmp);

	for (i = 1; i < nr; i++) {
		if (snap_run_joins(&runs[last], &runs[i], max_chunks))
			runs[last].nr_chunks += runs[i].nr_chunks;
		else
			runs[++last] = runs[i];
	}
	return last + 1;
}

u32 snap_merge_batch_entries(u32 available, u32 chunk_sectors, u64 max_bytes)
{
	u64 nr = max_bytes / ((u64)chunk_sectors << SNAP_SECTOR_SHIFT);

	if (nr >= available)
		return available;
	return nr ? (u32)nr : 1;
}
