/* SPDX-License-Identifier: GPL-2.0-only */
/* Copying pending runs from the origin to COW devices. */
#ifndef SNAP_COPY_H
#define SNAP_COPY_H

#include <linux/dm-io.h>
#include <linux/list.h>

struct snap_origin;
struct snapshot;

/*
 * From this size on moving the data takes longer than what is done about it: such a
 * copy is written by the worker of a snapshot, and committed without waiting for others.
 */
#define SNAP_COPY_LARGE_SECTORS ((256U << 10) >> SECTOR_SHIFT)

/*
 * How many sectors of a run at sector @first exist on an origin of
 * @origin_sectors. Where that is no multiple of the COW device's blocks, the
 * sectors that the snapshot does not show are left out.
 */
sector_t snap_clip_run(const struct snapshot *snap, sector_t origin_sectors,
		       sector_t first, u64 nr_chunks);

/*
 * True when @count, what snap_clip_run() said, lacks something that the snapshot shows:
 * the origin shrank, or its disk is gone.
 */
bool snap_run_is_cut_short(const struct snapshot *snap, sector_t first,
			   u64 nr_chunks, sector_t count);

/* Sleeps; 0 or an errno, and then there is nothing to undo. */
int snap_copy_init(struct snap_origin *origin);
/* No snapshot is left. */
void snap_copy_exit(struct snap_origin *origin);

/*
 * Queues the copies of the pending runs on @runs (linked by ->start), which all
 * read @origin, for the origin's work. Runs of the same sectors share one read.
 */
void snap_copy_start(struct snap_origin *origin, struct list_head *runs);

/*
 * Pages of the origin for copies of so many sectors; snap_pages_give() takes them back.
 * NULL: kcopyd is to copy, since not as many are free, or since copies are throttled,
 * which it alone knows how to do.
 */
struct page_list *snap_copy_take_pages(struct snap_origin *origin,
				       sector_t nr_sectors);

/* Several copies are under way, or were lately. */
bool snap_copy_is_crowded(const struct snap_origin *origin);

/* Was something read that is large and waits for the worker of a snapshot? */
bool snap_copy_has_large(const struct snap_origin *origin);
/* For the worker of @snap: writes that. May sleep for the pools of dm-io. */
void snap_copy_write_large(struct snapshot *snap);

/*
 * For the origin's work: starts the copies whose turn it is, and writes what was read.
 * May sleep for the pools of dm-io and kcopyd.
 */
void snap_copy_go_on(struct snap_origin *origin);

#endif
