/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a batch of a merge gets from the COW device to the origin: long runs piece by piece,
 * one written while the next is read; what lies scattered but close together there by one
 * read and many writes; everything else by kcopyd.
 */
#ifndef SNAP_MERGE_COPY_H
#define SNAP_MERGE_COPY_H

#include <linux/blkdev.h>
#include "snap_types.h"

struct snapshot;
struct snap_merge_copy;

/*
 * From this size on, on average, runs are as well copied by themselves; many shorter ones
 * are better read in one piece.
 */
#define SNAP_MERGE_LONG_RUN_SECTORS ((64U << 10) >> SECTOR_SHIFT)

/* -ENOMEM: NULL. */
struct snap_merge_copy *snap_merge_copy_create(struct snapshot *snap);
void snap_merge_copy_destroy(struct snap_merge_copy *copy);

/* So many scattered chunks are read at once at most; 0: never, chunks of this size. */
u32 snap_merge_extent_chunks(const struct snapshot *snap);

/*
 * Copies runs to the origin and makes them durable there; nobody writes to their chunks
 * meanwhile. One caller at a time. Sleeps for I/O. -EIO, or the flush's errno: some of it
 * may be there. -EIO also where the origin has no place for all of a run any more.
 */
int snap_merge_copy(struct snap_merge_copy *copy, const struct snap_run *runs,
		    u32 nr);

#endif
