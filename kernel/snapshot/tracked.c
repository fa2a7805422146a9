// SPDX-License-Identifier: GPL-2.0-only
/* Tracked I/O: an interval tree of bios in flight. */
#include <linux/interval_tree_generic.h>
#include <linux/sched.h>
#include "tracked.h"

#define FIRST(io) ((io)->first)
#define LAST(io) ((io)->last)

INTERVAL_TREE_DEFINE(struct snap_tracked_io, node, sector_t, subtree_last,
		     FIRST, LAST, static __maybe_unused, tracked_tree)

void snap_tracked_init(struct snap_tracked *tracked)
{
	spin_lock_init(&tracked->lock);
	tracked->tree = RB_ROOT_CACHED;
	tracked->nr_waiting = 0;
	init_waitqueue_head(&tracked->wait);
}

void snap_tracked_add(struct snap_tracked *tracked, struct snap_tracked_io *io,
		      sector_t first, sector_t nr_sectors)
{
	unsigned long flags;

	io->first = first;
	io->last = first + nr_sectors - 1;
	spin_lock_irqsave(&tracked->lock, flags);
	tracked_tree_insert(io, &tracked->tree);
	spin_unlock_irqrestore(&tracked->lock, flags);
}

bool snap_tracked_end(struct snap_tracked *tracked, struct snap_tracked_io *io)
{
	unsigned long flags;
	bool awaited;

	spin_lock_irqsave(&tracked->lock, flags);
	tracked_tree_remove(io, &tracked->tree);
	awaited = tracked->nr_waiting;
	spin_unlock_irqrestore(&tracked->lock, flags);
	if (awaited)
		wake_up_all(&tracked->wait);
	return awaited;
}

static bool clear_of(struct snap_tracked *tracked, sector_t first,
		     sector_t nr_sectors)
{
	return !tracked_tree_iter_first(&tracked->tree, first,
					first + nr_sectors - 1);
}

bool snap_tracked_clear_of(struct snap_tracked *tracked, sector_t first,
			   sector_t nr_sectors)
{
	unsigned long flags;
	bool clear;

	spin_lock_irqsave(&tracked->lock, flags);
	clear = clear_of(tracked, first, nr_sectors);
	spin_unlock_irqrestore(&tracked->lock, flags);
	return clear;
}

bool snap_tracked_clear_or_wait(struct snap_tracked *tracked, sector_t first,
				sector_t nr_sectors)
{
	unsigned long flags;
	bool clear;

	spin_lock_irqsave(&tracked->lock, flags);
	clear = clear_of(tracked, first, nr_sectors);
	if (!clear)
		tracked->nr_waiting++;
	spin_unlock_irqrestore(&tracked->lock, flags);
	return clear;
}

void snap_tracked_wait_begin(struct snap_tracked *tracked)
{
	unsigned long flags;

	spin_lock_irqsave(&tracked->lock, flags);
	tracked->nr_waiting++;
	spin_unlock_irqrestore(&tracked->lock, flags);
}

void snap_tracked_wait_end(struct snap_tracked *tracked)
{
	unsigned long flags;

	spin_lock_irqsave(&tracked->lock, flags);
	tracked->nr_waiting--;
	spin_unlock_irqrestore(&tracked->lock, flags);
}
