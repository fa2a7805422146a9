/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bios that wait, counted as they come, so that nobody who holds a lock walks a long
 * list of them. The caller holds the lock of the list and of the counter.
 */
#ifndef SNAP_WAITING_H
#define SNAP_WAITING_H

#include <linux/bio.h>
#include <linux/ktime.h>
#include "snap_stats.h"

/* All zero is an empty one. */
struct snap_waiting {
	struct bio_list bios;
	unsigned int nr;
};

static inline bool snap_waiting_none(const struct snap_waiting *waiting)
{
	return bio_list_empty(&waiting->bios);
}

static inline void snap_waiting_add(struct snap_waiting *waiting,
				    struct snap_waits *waits, struct bio *bio)
{
	bio_list_add(&waiting->bios, bio);
	waiting->nr++;
	snap_waits_begin(waits, ktime_get_ns(), 1);
}

/* All of them, which wait no longer; none stay. */
static inline struct bio_list snap_waiting_take(struct snap_waiting *waiting,
						struct snap_waits *waits)
{
	struct bio_list bios = waiting->bios;

	if (waiting->nr)
		snap_waits_end(waits, ktime_get_ns(), waiting->nr);
	*waiting = (struct snap_waiting){};
	return bios;
}

#endif
