/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An origin: what all targets that name one block device as their origin share.
 */
#ifndef SNAP_ORIGIN_H
#define SNAP_ORIGIN_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/dm-kcopyd.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "pages.h"
#include "turns.h"
#include "space.h"

struct snap_head;
struct snap_preserved;
struct snapshot;

struct snap_origin {
	struct block_device *bdev;
	dev_t devt;

	/* Under snap_registry_lock. */
	struct list_head list;
	unsigned int nr_users;
	struct list_head heads;	  /* struct snap_head */
	struct snapshot *merging; /* merges, will merge or merged into this origin */
	bool switching; /* a snapshot comes alive: no head may start meanwhile */
	wait_queue_head_t switched;

	/*
	 * Live snapshots in which writes must preserve. Changed under
	 * snap_registry_lock with the heads quiesced (only leaving needs no quiesce);
	 * walked under RCU.
	 */
	struct list_head snapshots;
	/* Of all of them; NULL where there is none. Changed and read as they are. */
	struct snap_preserved __rcu *preserved;

	struct dm_kcopyd_client *kcopyd;

	/* Copies that wait for their turn, and those that are read: copy.c. */
	spinlock_t copy_lock;
	struct list_head copies; /* of pending runs, by ->start */
	sector_t copying_sectors; /* under way */
	bool copies_overlap; /* since copying_sectors was last 0 */
	bool copies_crowded; /* they did, in the time before that */
	struct dm_io_client *io;
	struct snap_pages pages;
	struct list_head copies_read; /* of leaders of groups, by ->start */
	struct list_head parts_read; /* large ones, by ->start */
	struct delayed_work copy_late_work;

	/* Runs of all its snapshots that are under way. */
	atomic_t nr_pending;
	/* Counts what may change the answer to "is it preserved?". */
	atomic_t settled_seq;
	wait_queue_head_t settled;

	/* A merge waits until a range is preserved. */
	bool merge_waits;
	/* Switches under way that no bio may outwait: see quiet_begin(). */
	atomic_t nr_must_end;

	spinlock_t deferred_lock;
	struct bio_list deferred; /* until something settles */
	struct bio_list released; /* for the work to continue */
	struct list_head stopping; /* struct snap_head: being suspended */
	struct llist_head workers_due; /* of snapshots, by ->due */
	struct snap_turns turns;
	struct workqueue_struct *wq;
	struct work_struct work;
};

/* The caller holds snap_registry_lock for these. */
struct snap_origin *snap_origin_create(struct block_device *bdev);
void snap_origin_free(struct snap_origin *origin);

/*
 * A snapshot, by its ->on_origin, comes to the list, or leaves it; the caller holds
 * snap_registry_lock, and to join the heads stand still. Leaving sleeps until nobody who
 * found the snapshot on the list uses it; one that is not on it stays so.
 */
void snap_origin_join(struct snap_origin *origin, struct list_head *on_origin);
void snap_origin_leave(struct snap_origin *origin, struct list_head *on_origin);

/*
 * Cuts a write in map(). What is long (a discard may be) is preserved piece by piece:
 * a bio looks again at its whole range each time it is woken.
 */
static inline void snap_origin_cut_write(struct bio *bio)
{
	const unsigned int most = (16U << 20) >> SECTOR_SHIFT;

	if (bio_sectors(bio) > most)
		dm_accept_partial_bio(bio, most);
}

/*
 * Asks for a bio that changes the origin to go down. True: it may, and the caller points
 * it at the device. False: it has been queued, and will be submitted when every
 * snapshot has what it needs, or has been given back to device-mapper. Does not wait
 * for snapshots; may sleep for the pools that copies need. As long as it waits, the
 * bio's device is the head through which it came.
 */
bool snap_origin_admit(struct snap_origin *origin, struct bio *bio);

/* The same for a bio that waited; submits it if it may go. */
void snap_origin_continue(struct snap_origin *origin, struct bio *bio);

/*
 * Continues bios that waited, here or, while copies are under way, in the origin's
 * work: reads for copies and writes that come from one thread do not fight for the
 * device. Takes them off @bios.
 */
void snap_origin_release(struct snap_origin *origin, struct bio_list *bios);

/* True when the range is preserved in every live snapshot. */
bool snap_origin_preserved(struct snap_origin *origin, sector_t sector,
			   sector_t nr_sectors);

/* Starts the copies that this takes, as many as may be under way at once. */
void snap_origin_start_missing(struct snap_origin *origin, sector_t sector,
			       sector_t nr_sectors);

/*
 * The same, for the merge, which waits for it; the wait for space of the snapshots that
 * have no room begins too. False: something is missing for which there is room by now,
 * and nothing is under way that will settle: look again instead of waiting.
 */
bool snap_origin_start_missing_for_merge(struct snap_origin *origin,
					 sector_t sector, sector_t nr_sectors);

/*
 * A head is being suspended: from now on its bios do not wait for space, and those that
 * do stop it. Until snap_origin_go_on(), when it is suspended or the suspend was undone.
 */
void snap_origin_stop_waiting(struct snap_origin *origin,
			      struct snap_head *head, bool noflush);
void snap_origin_go_on(struct snap_origin *origin, struct snap_head *head);
/* Whether the head that a waiting bio came through is being suspended. */
enum snap_stop snap_origin_stop_of(struct snap_origin *origin,
				   const struct bio *bio);

/* There is something for the origin's work to do. Any context. */
void snap_origin_kick(struct snap_origin *origin);

/* A run ended, or a snapshot is out: lets those who wait look again. */
void snap_origin_settled(struct snap_origin *origin);

#endif
