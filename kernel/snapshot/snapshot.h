/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One snapshot: what a table of the snapshot or snapshot-merge target makes.
 * The objects, their locks and the life of a bio are told in docs/design.md.
 */
#ifndef SNAP_SNAPSHOT_H
#define SNAP_SNAPSHOT_H

#include <linux/device-mapper.h>
#include <linux/llist.h>
#include <linux/mempool.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "args.h"
#include "counters.h"
#include "events.h"
#include "meta_io.h"
#include "pending.h"
#include "snap_compat.h"
#include "snap_index.h"
#include "space.h"
#include "turns.h"
#include "store.h"
#include "tracked.h"

struct snap_origin;
struct snap_merge;

/* Runs in one commit. */
#define SNAP_BATCH_RUNS 64

/* Only goes up; snap_health_raise() is the one writer. */
enum snap_health {
	SNAP_GOOD,
	SNAP_OVERFLOW,	   /* no room for a write to itself: readable */
	SNAP_INVALIDATING, /* unusable; valid 0 is not on disk yet */
	SNAP_INVALID,
};

/* Runs that are committed together. */
struct snap_batch {
	struct list_head pending;
	struct snap_run runs[SNAP_BATCH_RUNS]; /* of those whose copy succeeded */
	u32 nr_runs;
	bool durable; /* the data of all of them */
};

/* Which of the tables of a COW device owns the exceptions. */
enum snap_role {
	SNAP_ROLE_OWNER,   /* has them */
	SNAP_ROLE_WAITING, /* gets them at resume, from ->peer */
	SNAP_ROLE_SPENT,   /* gave them away, or could not get them */
};

/* A mapped device through which an origin is written. */
struct snap_head {
	struct list_head list; /* origin->heads */
	struct mapped_device *md;
	struct dm_target *ti;

	/* Under origin->deferred_lock. */
	struct list_head stopping; /* origin->stopping */
	enum snap_stop stop;
};

struct snapshot {
	struct dm_target *ti;
	struct dm_dev *origin_dev;
	struct dm_dev *cow_dev;
	struct snap_origin *origin;
	struct snap_store *store;
	struct snap_args args;
	sector_t sectors; /* of the table: what is preserved of the origin */

	/*
	 * Never taken in an interrupt. Protects what follows; ->index is changed
	 * by the worker only (and while loading).
	 */
	rwlock_t lock;
	enum snap_health health;
	struct snap_index index;
	struct rb_root pending;
	struct list_head fifo;
	unsigned int nr_pending;
	sector_t pending_sectors;
	struct bio_list invalidating_bios; /* origin bios: wait for valid 0 */
	struct snap_waiting deferred_bios; /* own bios, each inside one chunk */
	struct snap_space space;
	struct snap_counters counters;

	struct snap_tracked tracked;
	struct snap_events events;

	/*
	 * Runs whose data is on its way to the COW device, and runs whose data is
	 * there but not committed: see snap_pending_copied().
	 */
	atomic_t nr_copying;
	atomic_t nr_copied;
	bool large_copied; /* one of these is large: a commit is due */

	/* Who is the worker: see worker.c. */
	struct snap_turns turns;
	struct llist_node due; /* origin->workers_due */
	struct workqueue_struct *wq;
	struct work_struct work;

	/* The worker's own. */
	struct list_head draining;
	struct snap_batch batch;
	bool committing;    /* the batch, until the store says that it is over */
	bool commit_got_on; /* said by the store, from any context */
	struct snap_index_spare spare;
	mempool_t node_pool;
	mempool_t pending_pool;
	wait_queue_head_t idle; /* nr_pending became 0 */

	/* Under snap_registry_lock. */
	struct list_head registered;
	u64 serial; /* later tables have higher ones */
	enum snap_role role;
	struct snapshot *peer; /* the other side of a handover to come */
	bool resumed;	       /* was active once */
	bool suspended;
	bool being_taken; /* in use by a switch: neither resume nor destroy */
	bool succeeded;	  /* by a table of the same mapped device */

	struct list_head on_origin; /* origin->snapshots: RCU */
	struct snap_merge *merge;   /* of a snapshot-merge target */
	struct snap_head head;	    /* the same */
};

/* Per bio of a snapshot or snapshot-merge target. */
struct snap_bio {
	struct snap_tracked_io tracked_io;
	struct snap_pending *full; /* of which this bio is the copy */
	bool tracked;
};

static inline struct snap_bio *snap_bio_of(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct snap_bio));
}

static inline chunk_t snap_sector_to_chunk(const struct snapshot *snap,
					   sector_t sector)
{
	return sector >> snap->store->chunk_shift;
}

static inline sector_t snap_chunk_to_sector(const struct snapshot *snap,
					    chunk_t chunk)
{
	return (sector_t)chunk << snap->store->chunk_shift;
}

static inline struct block_device *snap_cow_bdev(const struct snapshot *snap)
{
	return snap->cow_dev->bdev;
}

/* snapshot.c */

/*
 * Makes the object of a table line: devices opened, registered, exceptions
 * loaded (or marked as waiting for a handover). -errno with *@error set, and
 * nothing left behind.
 */
int snapshot_create(struct dm_target *ti, unsigned int argc, char **argv,
		    bool merging, struct snapshot **snap);
/* Waits for the runs under way. */
void snapshot_destroy(struct snapshot *snap);
/*
 * Takes the snapshot off its origin: no new runs will come. The caller holds
 * snap_registry_lock.
 */
void snapshot_leave_origin(struct snapshot *snap);
/* Waits, after that, until no run is under way and the worker rests. */
void snapshot_rest(struct snapshot *snap);
void snapshot_status(struct snapshot *snap, status_type_t type, char *result,
		     unsigned int maxlen);

/*
 * Raises the health (never lowers it), logs @why, raises the event, and kicks the worker,
 * which writes the header. The caller holds snap->lock exclusively.
 */
void snap_health_raise(struct snapshot *snap, enum snap_health health,
		       const char *why);

/* What becomes of a full snapshot that is written. */
static inline enum snap_health snapshot_full_health(const struct snapshot *snap)
{
	return snap->args.userspace_supports_overflow ? SNAP_OVERFLOW :
							SNAP_INVALIDATING;
}

static inline enum snap_health snap_health_of(const struct snapshot *snap)
{
	return READ_ONCE(snap->health);
}

/* worker.c */
void snap_worker_init(struct snapshot *snap);
void snap_worker_kick(struct snapshot *snap);
/* For the origin's work: is the worker of those that are due. May sleep. */
void snap_worker_at_origin(struct snap_origin *origin);

/*
 * The data of @p is on the COW device, or failed to get there. Any context.
 * @p and its snapshot must not be touched afterwards.
 */
void snap_pending_copied(struct snap_pending *p, blk_status_t status);
/*
 * The same in two steps, for many runs at once; in one RCU section, which keeps the
 * snapshot there for the second.
 */
void snap_pending_mark_copied(struct snap_pending *p, blk_status_t status);
void snap_worker_kick_if_due(struct snapshot *snap, bool at_origin);

/* snapshot_target.c */

/*
 * Sends a write to the snapshot where it belongs. DM_MAPIO_*. From map() it may
 * cut the bio; elsewhere the bio must be inside one chunk or one mapped run.
 */
int snapshot_route_write(struct snapshot *snap, struct bio *bio);
/* The same for a bio that was queued: routes and submits or fails it. */
void snapshot_resubmit(struct snapshot *snap, struct bio *bio);

/*
 * Makes a pending run of at most @want chunks at the start of a hole. The caller
 * holds snap->lock exclusively and starts its copy soon after. -EAGAIN: too many
 * are under way; -ENOSPC: the COW device is full.
 */
int snapshot_begin_run(struct snapshot *snap, chunk_t old_chunk, u64 want,
		       struct snap_pending **p);

/*
 * Is FUA worth it for what is copied to the COW device? Then the commit needs no flush,
 * which is a request of its own between data and entries.
 */
static inline bool snap_cow_takes_fua(const struct snapshot *snap)
{
	return snap->store->type->persistent &&
	       snap_fua_saves_flush(snap_cow_bdev(snap));
}

/* Points a bio at the COW device: the chunk of its start is at @new_chunk. */
void snap_remap_to_cow(struct snapshot *snap, struct bio *bio,
		       chunk_t new_chunk);
/* Cuts a bio, in map(), so that it ends at or before the end of @end_chunk - 1. */
void snap_bio_cut(struct snapshot *snap, struct bio *bio, chunk_t end_chunk);

/* switch.c: see there. */
int snap_switch_check(struct snapshot *snap);
void snap_switch_resume(struct snapshot *snap);
/*
 * This task is just stopping the device of the calling hook for a switch: it is
 * no suspend of the user's.
 */
bool snap_switch_is_quieting(void);

extern struct target_type snap_snapshot_target;
extern struct target_type snap_origin_target;
extern struct target_type snap_merge_target;

#endif
