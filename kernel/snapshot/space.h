/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room on the COW device: who waits for it, who learns that it gets short. See "Waiting for
 * space" in docs/design.md.
 */
#ifndef SNAP_SPACE_H
#define SNAP_SPACE_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/workqueue.h>
#include "store.h"
#include "waiting.h"

struct snapshot;

/* What becomes of a bio that finds no room while its device is being suspended. */
enum snap_stop {
	SNAP_STOP_NOT,	     /* it is not: the bio may wait */
	SNAP_STOP_PUSH_BACK, /* without flush: device-mapper gets it back */
	SNAP_STOP_NO_WAIT,   /* with flush: it must end */
};

/*
 * What holds now. A suspend without flush that is interrupted is over before the hook
 * that undoes it runs, and so is the right to push back.
 */
static inline enum snap_stop snap_stop_now(enum snap_stop stop,
					   struct dm_target *ti)
{
	if (stop == SNAP_STOP_PUSH_BACK && !dm_noflush_suspending(ti))
		return SNAP_STOP_NOT;
	return stop;
}

/* Under snap->lock. */
struct snap_space {
	bool waiting;	/* no room was found, and somebody waits */
	bool for_merge; /* of these, a merge into the origin */
	struct snap_waiting own_bios; /* each inside one chunk */
	u64 own_since_ns;
	struct snap_waiting origin_bios;
	u64 origin_since_ns; /* of them and the merge */
	enum snap_stop own_stop;
	struct delayed_work look;
	bool low_armed;	    /* the mark has not been crossed */
	sector_t low_total; /* the size of the device at that time */
};

void snap_space_setup(struct snapshot *snap);

/* All of the following: the caller holds snap->lock exclusively. */

/* A write that finds no room waits, rather than costing the snapshot something. */
bool snap_space_queues(const struct snapshot *snap);

enum snap_no_space {
	SNAP_NO_SPACE_WAITS,	  /* queued */
	SNAP_NO_SPACE_PUSHED_BACK, /* the caller ends it with BLK_STS_DM_REQUEUE */
	SNAP_NO_SPACE_FAILS,	  /* the caller ends it with BLK_STS_NOSPC */
	SNAP_NO_SPACE_COSTS,	  /* as without the feature */
};

/* A write to the snapshot, inside one chunk, that found no room. */
enum snap_no_space snap_space_own_bio(struct snapshot *snap, struct bio *bio);
/* A write to the origin; never FAILS. */
enum snap_no_space snap_space_origin_bio(struct snapshot *snap,
					 struct bio *bio);
/* The merge into the origin has no bio; it waits until snap_origin_settled(). */
void snap_space_merge_waits(struct snapshot *snap);
/* Room was taken. */
void snap_space_taken(struct snapshot *snap, u64 nr_chunks, u64 now_ns);
/* What waits shall look again, soon. */
void snap_space_kick(struct snapshot *snap);

/* These take it. */
void snap_space_set_queue(struct snapshot *snap, bool queue);
void snap_space_set_low_water(struct snapshot *snap, u64 sectors);
/* The table came alive or goes on. */
void snap_space_resumed(struct snapshot *snap);
/* The snapshot's device is being suspended: nothing of its own may wait any more. */
void snap_space_stop_own(struct snapshot *snap, bool noflush);
void snap_space_go_own(struct snapshot *snap);
/* The snapshot has left its origin: what waits goes on without it. Sleeps. */
void snap_space_leave(struct snapshot *snap);

/* Takes the waiting bios of the origin that came through a head, onto @bios. */
void snap_space_take_bios_of(struct snapshot *snap, const struct gendisk *disk,
			     struct bio_list *bios);

/* Any holder of snap->lock. */
bool snap_space_is_low(const struct snapshot *snap,
		       const struct snap_usage *usage);

#endif
