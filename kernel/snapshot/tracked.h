/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracked I/O: bios of a snapshot's device that are in flight and that somebody
 * may have to wait for, as intervals of sectors of the origin. A snapshot tracks
 * its reads from the origin; a merging one its writes to the COW device.
 *
 * The rule for those who wait: first make sure that no new I/O of the range
 * can be added (under the lock that the adding side holds), then ask.
 */
#ifndef SNAP_TRACKED_H
#define SNAP_TRACKED_H

#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

struct snap_tracked_io {
	struct rb_node node;
	sector_t first;
	sector_t last;
	sector_t subtree_last;
};

struct snap_tracked {
	spinlock_t lock; /* irqs off: bios end anywhere */
	struct rb_root_cached tree;
	unsigned int nr_waiting; /* who wants to hear of ends */
	wait_queue_head_t wait;
};

void snap_tracked_init(struct snap_tracked *tracked);

void snap_tracked_add(struct snap_tracked *tracked, struct snap_tracked_io *io,
		      sector_t first, sector_t nr_sectors);

/*
 * Any context. True when somebody asked for ends: sleepers on tracked->wait have
 * been woken, and the caller kicks whoever waits without sleeping.
 */
bool snap_tracked_end(struct snap_tracked *tracked, struct snap_tracked_io *io);

/* True when nothing tracked overlaps the range. */
bool snap_tracked_clear_of(struct snap_tracked *tracked, sector_t first,
			   sector_t nr_sectors);

/*
 * The same; if something overlaps, the caller counts as waiting from the same
 * moment on, until snap_tracked_wait_end().
 */
bool snap_tracked_clear_or_wait(struct snap_tracked *tracked, sector_t first,
				sector_t nr_sectors);
void snap_tracked_wait_begin(struct snap_tracked *tracked);
void snap_tracked_wait_end(struct snap_tracked *tracked);

#endif
