/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Planning one batch of a merge: the last entries of a store are a set, not a
 * sequence. Pure functions.
 */
#ifndef SNAP_CORE_MERGE_H
#define SNAP_CORE_MERGE_H

#include "snap_types.h"

/*
 * Sorts @runs (single entries) by old_chunk and joins those
 * that continue each other on both devices, up to @max_chunks each. Returns
 * how many runs are left, at the front of @runs.
 */
u32 snap_merge_plan(struct snap_run *runs, u32 nr, u64 max_chunks);

/*
 * How many entries a batch takes of @available, when a batch moves at most
 * @max_bytes; at least 1 where there is one.
 */
u32 snap_merge_batch_entries(u32 available, u32 chunk_sectors, u64 max_bytes);

#endif
