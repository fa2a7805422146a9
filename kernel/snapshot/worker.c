// SPDX-License-Identifier: GPL-2.0-only
/*
 * The worker of a snapshot: the only writer of its metadata and of its index.
 * Commits the runs that were copied, in the order of their allocation, finishes
 * those that no read stands in the way of, and puts an invalidation on disk.
 *
 * It is a role, taken by one thread at a time: by the origin's work where copies of
 * scattered chunks are to be committed, since that is awake and waking another takes
 * longer than the commit; else, and whatever sleeps for I/O, by the snapshot's own work.
 */
#include <linux/ktime.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include "copy.h"
#include "nodes.h"
#include "origin.h"
#include "snapshot.h"

/* So many turns the origin's work takes; it has other things to do. */
#define TURNS_AT_ORIGIN 8

void snap_worker_kick(struct snapshot *snap)
{
	if (snap_turns_raise(&snap->turns))
		queue_work(snap->wq, &snap->work);
}

/* Any context. */
static void kick_at_origin(struct snapshot *snap)
{
	if (!snap_turns_raise(&snap->turns))
		return;
	llist_add(&snap->due, &snap->origin->workers_due);
	snap_origin_kick(snap->origin);
}

/*
 * Group commit: a commit costs a write, and some a flush, however many runs are in it. It begins
 * when half of the runs under way are copied, so that copying the other half
 * goes on beside it. The last copy always makes it due.
 */
static bool commit_is_due(struct snapshot *snap)
{
	int nr_copying = atomic_read(&snap->nr_copying);

	return !nr_copying || atomic_read(&snap->nr_copied) >= nr_copying ||
	       READ_ONCE(snap->large_copied);
}

void snap_pending_mark_copied(struct snap_pending *p, blk_status_t status)
{
	struct snapshot *snap = p->snap;

	p->status = status;
	if (snap_chunk_to_sector(snap, p->run.nr_chunks) >=
	    SNAP_COPY_LARGE_SECTORS)
		WRITE_ONCE(snap->large_copied, true);
	smp_store_release(&p->copied, true);
	atomic_inc(&snap->nr_copied);
	atomic_dec(&snap->nr_copying);
}

void snap_worker_kick_if_due(struct snapshot *snap, bool at_origin)
{
	/* Of two who mark at once, one at least sees what both marked. */
	smp_mb();
	if (!commit_is_due(snap))
		return;
	if (at_origin)
		kick_at_origin(snap);
	else
		snap_worker_kick(snap);
}

void snap_pending_copied(struct snap_pending *p, blk_status_t status)
{
	struct snapshot *snap = p->snap;

	/*
	 * As soon as copied is set the run may be finished and the snapshot taken
	 * apart; the RCU section holds up snapshot_destroy() until the kick is done.
	 */
	rcu_read_lock();
	snap_pending_mark_copied(p, status);
	snap_worker_kick_if_due(snap, false);
	rcu_read_unlock();
}

/* Takes the longest prefix of copied runs off the fifo, up to one batch. */
static bool take_batch(struct snapshot *snap, struct snap_batch *batch)
{
	unsigned int nr = 0;

	INIT_LIST_HEAD(&batch->pending);
	batch->nr_runs = 0;
	batch->durable = true;
	if (!commit_is_due(snap))
		return false;
	WRITE_ONCE(snap->large_copied, false);
	write_lock(&snap->lock);
	while (nr < SNAP_BATCH_RUNS && !list_empty(&snap->fifo)) {
		struct snap_pending *p = list_first_entry(&snap->fifo,
							  struct snap_pending,
							  list);

		if (!smp_load_acquire(&p->copied))
			break;
		list_move_tail(&p->list, &batch->pending);
		nr++;
	}
	write_unlock(&snap->lock);
	atomic_sub(nr, &snap->nr_copied);
	return nr;
}

static void raise(struct snapshot *snap, enum snap_health health,
		  const char *why)
{
	write_lock(&snap->lock);
	snap_health_raise(snap, health, why);
	write_unlock(&snap->lock);
}

/* Ends the user's bio that was the copy. */
static void end_full_bio(struct snap_pending *p, blk_status_t status)
{
	struct bio *bio = p->full_bio;

	p->full_bio = NULL;
	bio->bi_status = status;
	bio_endio(bio);
}

/* The caller holds the lock. */
static void count_run(struct snapshot *snap, const struct snap_pending *p,
		      blk_status_t status, u64 now)
{
	struct snap_counters *counters = &snap->counters;

	if (status)
		return;
	counters->latency[snap_latency_bucket(now - p->began_ns,
					      SNAP_GENL_LATENCY_BUCKETS)]++;
	if (p->own_write)
		return;
	counters->copies++;
	counters->copied_bytes += snap_chunk_to_sector(snap, p->run.nr_chunks)
				  << SECTOR_SHIFT;
	counters->shared_copies += p->shared;
}

/*
 * A write that waited for another's write of whole chunks, which failed: the snapshot
 * is none the worse for it. Outside map() no bio can be cut, so only inside a chunk.
 */
static bool may_try_itself(const struct snapshot *snap, const struct bio *bio)
{
	return snap_health_of(snap) < SNAP_INVALIDATING &&
	       snap_sector_to_chunk(snap, bio->bi_iter.bi_sector) ==
		       snap_sector_to_chunk(snap, bio_end_sector(bio) - 1);
}

/* Takes a run out of the tree and lets those go on that waited for it. */
static void finish(struct snapshot *snap, struct snap_pending *p,
		   blk_status_t status)
{
	struct snap_origin *origin = snap->origin;
	struct bio_list origin_bios, snap_bios;
	u64 now = ktime_get_ns();
	struct bio *bio;
	bool idle;

	if (p->full_bio)
		end_full_bio(p, status);

	write_lock(&snap->lock);
	rb_erase(&p->node, &snap->pending);
	origin_bios = snap_waiting_take(&p->origin_bios, &snap->counters.waits);
	snap_bios = snap_waiting_take(&p->snap_bios, &snap->counters.waits);
	count_run(snap, p, status, now);
	snap->pending_sectors -= snap_chunk_to_sector(snap, p->run.nr_chunks);
	idle = !--snap->nr_pending;
	write_unlock(&snap->lock);
	mempool_free(p, &snap->pending_pool);
	atomic_dec(&origin->nr_pending);
	snap_origin_settled(origin);

	snap_origin_release(origin, &origin_bios);
	while ((bio = bio_list_pop(&snap_bios))) {
		if (status && !may_try_itself(snap, bio)) {
			bio->bi_status = status;
			bio_endio(bio);
		} else {
			snapshot_resubmit(snap, bio);
		}
		cond_resched();
	}
	if (idle)
		wake_up_all(&snap->idle);
}

static void finish_all(struct snapshot *snap, struct list_head *pending,
		       blk_status_t status)
{
	struct snap_pending *p, *next;

	list_for_each_entry_safe(p, next, pending, list) {
		list_del(&p->list);
		finish(snap, p, status);
	}
}

/*
 * Sorts out what was copied: a failed copy costs the snapshot, a failed write of
 * the user's only itself.
 */
static void sort_out(struct snapshot *snap, struct snap_batch *batch)
{
	struct snap_pending *p, *next;

	list_for_each_entry_safe(p, next, &batch->pending, list) {
		if (!p->status) {
			batch->runs[batch->nr_runs++] = p->run;
			batch->durable &= p->durable;
		} else if (p->full_bio) {
			list_del(&p->list);
			finish(snap, p, p->status);
		} else {
			raise(snap, SNAP_INVALIDATING,
			      "a chunk could not be copied from the origin to the COW device");
		}
	}
}

static int enter(struct snapshot *snap, struct snap_pending *p)
{
	int r;

	snap_nodes_fill_pool(&snap->spare, snap_index_spare_needed(&snap->index),
			     &snap->node_pool);
	write_lock(&snap->lock);
	r = snap_index_insert(&snap->index, &p->run, &snap->spare);
	write_unlock(&snap->lock);
	return r;
}

/* Finishes a run that is in the index, or leaves it to its last reader. */
static void finish_or_drain(struct snapshot *snap, struct snap_pending *p)
{
	sector_t first = snap_chunk_to_sector(snap, p->run.old_chunk);
	sector_t nr = snap_chunk_to_sector(snap, p->run.nr_chunks);

	/* The user's own write is done, whoever still reads the old contents. */
	if (p->full_bio)
		end_full_bio(p, BLK_STS_OK);
	if (snap_tracked_clear_or_wait(&snap->tracked, first, nr)) {
		list_del(&p->list);
		finish(snap, p, BLK_STS_OK);
	} else {
		list_move_tail(&p->list, &snap->draining);
	}
}

/* Any context. */
static void commit_got_on(void *context)
{
	struct snapshot *snap = context;

	/* Holds up snapshot_destroy(), as in snap_pending_copied(). */
	rcu_read_lock();
	smp_store_release(&snap->commit_got_on, true);
	snap_worker_kick(snap);
	rcu_read_unlock();
}

/* The batch is durable: it becomes visible, and what waits for it goes on. */
static void enter_batch(struct snapshot *snap, struct snap_batch *batch)
{
	struct snap_pending *p, *next;
	struct blk_plug plug;

	list_for_each_entry(p, &batch->pending, list) {
		if (WARN_ON_ONCE(enter(snap, p))) {
			raise(snap, SNAP_INVALIDATING,
			      "an exception could not be entered in the index");
			finish_all(snap, &batch->pending, BLK_STS_IOERR);
			return;
		}
	}
	blk_start_plug(&plug);
	list_for_each_entry_safe(p, next, &batch->pending, list)
		finish_or_drain(snap, p);
	blk_finish_plug(&plug);
}

/* @r is what the store said last. */
static void commit_ended(struct snapshot *snap, struct snap_batch *batch, int r)
{
	if (r)
		raise(snap, SNAP_INVALIDATING,
		      "the metadata could not be written to the COW device");
	if (snap_health_of(snap) >= SNAP_INVALIDATING) {
		finish_all(snap, &batch->pending, BLK_STS_IOERR);
		return;
	}
	if (batch->nr_runs)
		WRITE_ONCE(snap->counters.commits, snap->counters.commits + 1);
	enter_batch(snap, batch);
}

/*
 * Starts a commit, or carries on with the one under way, as far as that goes without
 * waiting. True: it got on.
 */
static bool commit(struct snapshot *snap)
{
	struct snap_batch *batch = &snap->batch;
	int r = 0;

	if (snap->committing) {
		if (!smp_load_acquire(&snap->commit_got_on))
			return false;
		WRITE_ONCE(snap->commit_got_on, false);
		r = snap->store->type->commit_go_on(snap->store);
	} else {
		if (!take_batch(snap, batch))
			return false;
		sort_out(snap, batch);
		if (snap_health_of(snap) < SNAP_INVALIDATING && batch->nr_runs)
			r = snap->store->type->commit(snap->store, batch->runs,
						      batch->nr_runs,
						      batch->durable,
						      commit_got_on, snap);
	}
	snap->committing = r == SNAP_COMMIT_GOES_ON;
	if (!snap->committing)
		commit_ended(snap, batch, r);
	return true;
}

static void look_at_draining(struct snapshot *snap)
{
	struct snap_pending *p, *next;

	list_for_each_entry_safe(p, next, &snap->draining, list) {
		sector_t first = snap_chunk_to_sector(snap, p->run.old_chunk);
		sector_t nr = snap_chunk_to_sector(snap, p->run.nr_chunks);

		if (!snap_tracked_clear_of(&snap->tracked, first, nr))
			continue;
		snap_tracked_wait_end(&snap->tracked);
		list_del(&p->list);
		finish(snap, p, BLK_STS_OK);
	}
}

/* Puts valid 0 on disk, and only then lets the origin go on. */
static void invalidate(struct snapshot *snap)
{
	struct bio_list bios;
	struct bio *bio;

	if (snap_health_of(snap) != SNAP_INVALIDATING)
		return;
	if (snap->store->type->invalidate(snap->store))
		DMERR("%s: the header of COW device %s could not be marked invalid; do not use this store again: zero its first chunk",
		      dm_table_device_name(snap->ti->table), snap->cow_dev->name);

	write_lock(&snap->lock);
	snap_health_raise(snap, SNAP_INVALID, NULL);
	bios = snap->invalidating_bios;
	bio_list_init(&snap->invalidating_bios);
	write_unlock(&snap->lock);

	snap_origin_settled(snap->origin);
	while ((bio = bio_list_pop(&bios)))
		snap_origin_continue(snap->origin, bio);
}

static void route_deferred(struct snapshot *snap)
{
	struct bio_list bios;
	struct bio *bio;

	write_lock(&snap->lock);
	bios = snap_waiting_take(&snap->deferred_bios, &snap->counters.waits);
	write_unlock(&snap->lock);
	while ((bio = bio_list_pop(&bios))) {
		snapshot_resubmit(snap, bio);
		cond_resched();
	}
}

/* All of it in each round: under load the fifo is never empty for long. */
static bool look_around(struct snapshot *snap)
{
	bool more = commit(snap);

	look_at_draining(snap);
	route_deferred(snap);
	cond_resched();
	return more;
}

static void worker(struct work_struct *work)
{
	struct snapshot *snap = container_of(work, struct snapshot, work);
	unsigned int noio = memalloc_noio_save();
	bool more;
	int seen;

	do {
		seen = snap_turns_seen(&snap->turns);
		do {
			snap_copy_write_large(snap);
			more = look_around(snap);
			if (!snap->committing)
				invalidate(snap);
		} while (more);
	} while (!snap_turns_over(&snap->turns, seen));
	memalloc_noio_restore(noio);
}

/*
 * May the next round sleep for I/O? That is not for the origin's work: the I/O may be on
 * a device that lies on a snapshot of this origin, and need a copy.
 */
static bool may_sleep_for_io(const struct snapshot *snap)
{
	const struct snap_store_type *type = snap->store->type;

	return snap_health_of(snap) == SNAP_INVALIDATING ||
	       snap_copy_has_large(snap->origin) ||
	       (type->commit_may_sleep && type->commit_may_sleep(snap->store));
}

/* False: the rest is for the snapshot's own work. */
static bool take_turns_at_origin(struct snapshot *snap)
{
	int i, seen = snap_turns_seen(&snap->turns);

	for (i = 0; i < TURNS_AT_ORIGIN; i++) {
		if (may_sleep_for_io(snap))
			return false;
		if (look_around(snap))
			continue;
		if (snap_turns_over(&snap->turns, seen))
			return true;
		seen = snap_turns_seen(&snap->turns);
	}
	return false;
}

void snap_worker_at_origin(struct snap_origin *origin)
{
	struct llist_node *due = llist_reverse_order(
		llist_del_all(&origin->workers_due));
	struct snapshot *snap, *next;

	llist_for_each_entry_safe(snap, next, due, due) {
		if (!take_turns_at_origin(snap))
			queue_work(snap->wq, &snap->work);
	}
}

void snap_worker_init(struct snapshot *snap)
{
	INIT_WORK(&snap->work, worker);
}
