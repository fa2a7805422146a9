// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes to an origin: preserved first, then released.
 *
 * A bio goes down by one event only: a look that finds its whole range preserved
 * in every live snapshot. See "Life of an origin write" in docs/design.md.
 */
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "copy.h"
#include "origin.h"
#include "preserved.h"
#include "registry.h"
#include "snap_format.h"
#include "snapshot.h"

/* So many turns the work takes before it is queued again. */
#define TURNS 32

/* A range of chunks of one snapshot. */
struct chunk_range {
	chunk_t first;
	chunk_t end;
};

/* The chunks of @snap that a range of sectors touches; false: none. */
static bool range_of(const struct snapshot *snap, sector_t sector,
		     sector_t nr_sectors, struct chunk_range *range)
{
	sector_t end = min(sector + nr_sectors, snap->sectors);

	if (sector >= end)
		return false;
	range->first = snap_sector_to_chunk(snap, sector);
	range->end = snap_sector_to_chunk(snap, end - 1) + 1;
	return true;
}

/*
 * Walks a range under snap->lock. True and the hole in *@hole when a part of it,
 * from *@hole's start on, is neither in the index nor pending.
 */
static bool next_missing(struct snapshot *snap, struct chunk_range range,
			 struct chunk_range *hole)
{
	chunk_t c = range.first;

	while (c < range.end) {
		struct snap_pending *p = snap_pending_from(snap, c);
		struct snap_run run;

		if (p && p->run.old_chunk <= c) {
			c = p->run.old_chunk + p->run.nr_chunks;
			continue;
		}
		if (snap_index_lookup(&snap->index, c, &run)) {
			c += run.nr_chunks;
			continue;
		}
		hole->first = c;
		hole->end = min(range.end, c + run.nr_chunks);
		if (p)
			hole->end = min(hole->end, p->run.old_chunk);
		return true;
	}
	return false;
}

static struct snap_pending *pending_in(struct snapshot *snap,
				       struct chunk_range range)
{
	struct snap_pending *p = snap_pending_from(snap, range.first);

	return p && p->run.old_chunk < range.end ? p : NULL;
}

static bool preserved_in(struct snapshot *snap, sector_t sector,
			 sector_t nr_sectors)
{
	struct chunk_range range, hole;
	bool preserved;

	if (!range_of(snap, sector, nr_sectors, &range))
		return true;
	read_lock(&snap->lock);
	if (snap->health >= SNAP_INVALIDATING)
		preserved = snap->health == SNAP_INVALID;
	else
		preserved = !pending_in(snap, range) &&
			    !next_missing(snap, range, &hole);
	read_unlock(&snap->lock);
	return preserved;
}

bool snap_origin_preserved(struct snap_origin *origin, sector_t sector,
			   sector_t nr_sectors)
{
	struct snap_preserved *map;
	struct snapshot *snap;
	bool preserved;

	rcu_read_lock();
	/* Before the list: see snap_origin_join(). */
	map = rcu_dereference(origin->preserved);
	smp_rmb();
	preserved = snap_preserved_has(map, sector, nr_sectors);
	if (preserved)
		goto out;
	list_for_each_entry_rcu(snap, &origin->snapshots, on_origin) {
		if (!preserved_in(snap, sector, nr_sectors))
			goto out;
	}
	preserved = true;
	snap_preserved_add(map, sector, nr_sectors);
out:
	rcu_read_unlock();
	return preserved;
}

static void replace_preserved(struct snap_origin *origin,
			      struct snap_preserved *map)
{
	map = rcu_replace_pointer(origin->preserved, map,
				  lockdep_is_held(&snap_registry_lock));
	snap_preserved_free_rcu(map);
}

void snap_origin_join(struct snap_origin *origin, struct list_head *on_origin)
{
	struct snap_preserved *map = snap_preserved_create();

	/* By the old one no write may go down that the snapshot needs. */
	replace_preserved(origin, NULL);
	list_add_tail_rcu(on_origin, &origin->snapshots);
	/*
	 * Whoever reads the new map finds the snapshot, by the barriers in here and in
	 * snap_origin_preserved(); what others note goes with their map.
	 */
	replace_preserved(origin, map);
}

void snap_origin_leave(struct snap_origin *origin, struct list_head *on_origin)
{
	if (list_empty(on_origin))
		return;
	list_del_rcu(on_origin);
	if (list_empty(&origin->snapshots))
		replace_preserved(origin, NULL);
	/* Whoever found it on the list is done with it after this. */
	synchronize_rcu();
	INIT_LIST_HEAD(on_origin);
}

/* Nothing is to be done yet, or nothing more. */
static bool none_missing_in(struct snapshot *snap, struct chunk_range range)
{
	struct chunk_range hole;
	bool none;

	read_lock(&snap->lock);
	none = snap->health >= SNAP_INVALIDATING ||
	       !next_missing(snap, range, &hole);
	read_unlock(&snap->lock);
	return none;
}

/* Makes pending runs of all that is missing, onto @runs. */
static void begin_missing_in(struct snapshot *snap, sector_t sector,
			     sector_t nr_sectors, struct list_head *runs)
{
	struct chunk_range range, hole;

	/* Most snapshots have it, or copy it already: not worth an exclusive lock. */
	if (!range_of(snap, sector, nr_sectors, &range) ||
	    none_missing_in(snap, range))
		return;
	write_lock(&snap->lock);
	while (snap->health < SNAP_INVALIDATING &&
	       next_missing(snap, range, &hole)) {
		struct snap_pending *p;
		int r = snapshot_begin_run(snap, hole.first,
					   hole.end - hole.first, &p);

		if (r == -ENOSPC && !snap_space_queues(snap))
			snap_health_raise(snap, SNAP_INVALIDATING,
					  "the COW device is full and the origin is written");
		if (r)
			break;
		list_add_tail(&p->start, runs);
		range.first = p->run.old_chunk + p->run.nr_chunks;
	}
	write_unlock(&snap->lock);
}

void snap_origin_start_missing(struct snap_origin *origin, sector_t sector,
			       sector_t nr_sectors)
{
	struct snapshot *snap;
	LIST_HEAD(runs);

	rcu_read_lock();
	list_for_each_entry_rcu(snap, &origin->snapshots, on_origin)
		begin_missing_in(snap, sector, nr_sectors, &runs);
	rcu_read_unlock();
	snap_copy_start(origin, &runs);
}

bool snap_origin_start_missing_for_merge(struct snap_origin *origin,
					 sector_t sector, sector_t nr_sectors)
{
	struct chunk_range range, hole;
	struct snapshot *snap;
	bool wait = true;

	snap_origin_start_missing(origin, sector, nr_sectors);
	rcu_read_lock();
	list_for_each_entry_rcu(snap, &origin->snapshots, on_origin) {
		if (preserved_in(snap, sector, nr_sectors) ||
		    !range_of(snap, sector, nr_sectors, &range))
			continue;
		write_lock(&snap->lock);
		if (snap->health < SNAP_INVALIDATING &&
		    next_missing(snap, range, &hole)) {
			if (!snap->store->type->has_room(snap->store))
				snap_space_merge_waits(snap);
			else if (!snap->nr_pending)
				/* Room came meanwhile; nothing else will settle. */
				wait = false;
		}
		write_unlock(&snap->lock);
	}
	rcu_read_unlock();
	return wait;
}

enum wait_result {
	WAIT_NOT_NEEDED,  /* preserved */
	WAIT_QUEUED,	  /* the bio is no longer ours */
	WAIT_PUSHED_BACK, /* it goes back to device-mapper */
	WAIT_IMPOSSIBLE,  /* something is missing that could not be started */
};

/* The caller holds the lock of @snap, which has no room. */
static enum wait_result wait_for_space(struct snapshot *snap, struct bio *bio)
{
	switch (snap_space_origin_bio(snap, bio)) {
	case SNAP_NO_SPACE_WAITS:
		return WAIT_QUEUED;
	case SNAP_NO_SPACE_PUSHED_BACK:
		return WAIT_PUSHED_BACK;
	default:
		snap_health_raise(snap, SNAP_INVALIDATING,
				  "the COW device is full, and a write to the origin must end");
		bio_list_add(&snap->invalidating_bios, bio);
		return WAIT_QUEUED;
	}
}

static enum wait_result wait_in(struct snapshot *snap, struct bio *bio)
{
	enum wait_result result = WAIT_NOT_NEEDED;
	struct chunk_range range, hole;
	struct snap_pending *p;

	if (preserved_in(snap, bio->bi_iter.bi_sector, bio_sectors(bio)) ||
	    !range_of(snap, bio->bi_iter.bi_sector, bio_sectors(bio), &range))
		return WAIT_NOT_NEEDED;
	write_lock(&snap->lock);
	if (snap->health == SNAP_INVALIDATING) {
		bio_list_add(&snap->invalidating_bios, bio);
		result = WAIT_QUEUED;
	} else if (snap->health < SNAP_INVALIDATING) {
		p = pending_in(snap, range);
		if (p) {
			snap_waiting_add(&p->origin_bios,
					 &snap->counters.waits, bio);
			result = WAIT_QUEUED;
		} else if (next_missing(snap, range, &hole)) {
			result = snap->store->type->has_room(snap->store) ?
					 WAIT_IMPOSSIBLE :
					 wait_for_space(snap, bio);
		}
	}
	write_unlock(&snap->lock);
	return result;
}

/*
 * Too many runs are under way. The end of any of them starts the work; if the
 * last one ended meanwhile, nobody else would.
 */
static void defer(struct snap_origin *origin, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&origin->deferred_lock, flags);
	bio_list_add(&origin->deferred, bio);
	spin_unlock_irqrestore(&origin->deferred_lock, flags);
	/* Pairs with the barrier in snap_origin_settled(). */
	smp_mb();
	if (!atomic_read(&origin->nr_pending))
		snap_origin_settled(origin);
}

static bool copies_in(struct snapshot *snap, const struct bio *bio)
{
	struct chunk_range range;
	bool copies;

	if (!range_of(snap, bio->bi_iter.bi_sector, bio_sectors(bio), &range))
		return false;
	read_lock(&snap->lock);
	copies = pending_in(snap, range);
	read_unlock(&snap->lock);
	return copies;
}

/*
 * The snapshot whose copy of some of the bio's range most likely ends last: of those that
 * commit with I/O, or else of all, the last on the list. Under RCU.
 */
static struct snapshot *last_to_copy(struct snap_origin *origin,
				     const struct bio *bio)
{
	struct snapshot *snap, *last = NULL;

	list_for_each_entry_rcu(snap, &origin->snapshots, on_origin) {
		if (last && last->args.store_type->persistent &&
		    !snap->args.store_type->persistent)
			continue;
		if (copies_in(snap, bio))
			last = snap;
	}
	return last;
}

/*
 * Queues the bio on something it must wait for, if it can on what ends last: then
 * the next look usually finds nothing more to wait for.
 */
static enum wait_result wait_somewhere(struct snap_origin *origin,
				       struct bio *bio)
{
	enum wait_result result = WAIT_NOT_NEEDED;
	struct snapshot *snap;

	rcu_read_lock();
	snap = last_to_copy(origin, bio);
	if (snap)
		result = wait_in(snap, bio);
	if (result != WAIT_NOT_NEEDED)
		goto out;
	list_for_each_entry_rcu(snap, &origin->snapshots, on_origin) {
		result = wait_in(snap, bio);
		if (result != WAIT_NOT_NEEDED)
			break;
	}
out:
	rcu_read_unlock();
	return result;
}

bool snap_origin_admit(struct snap_origin *origin, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	sector_t nr_sectors = bio_sectors(bio);

	if (!nr_sectors || snap_origin_preserved(origin, sector, nr_sectors))
		return true;
	snap_origin_start_missing(origin, sector, nr_sectors);
	switch (wait_somewhere(origin, bio)) {
	case WAIT_NOT_NEEDED:
		return true;
	case WAIT_IMPOSSIBLE:
		defer(origin, bio);
		return false;
	case WAIT_PUSHED_BACK:
		bio->bi_status = BLK_STS_DM_REQUEUE;
		bio_endio(bio);
		return false;
	default:
		return false;
	}
}

void snap_origin_continue(struct snap_origin *origin, struct bio *bio)
{
	if (snap_origin_admit(origin, bio)) {
		bio_set_dev(bio, origin->bdev);
		submit_bio_noacct(bio);
	}
}

enum snap_stop snap_origin_stop_of(struct snap_origin *origin,
				   const struct bio *bio)
{
	enum snap_stop stop = SNAP_STOP_NOT;
	struct snap_head *head;
	unsigned long flags;

	spin_lock_irqsave(&origin->deferred_lock, flags);
	list_for_each_entry(head, &origin->stopping, stopping) {
		if (dm_disk(head->md) == bio->bi_bdev->bd_disk)
			stop = snap_stop_now(head->stop, head->ti);
	}
	spin_unlock_irqrestore(&origin->deferred_lock, flags);
	return stop;
}

void snap_origin_stop_waiting(struct snap_origin *origin,
			      struct snap_head *head, bool noflush)
{
	struct bio_list bios = BIO_EMPTY_LIST;
	struct snapshot *snap;
	struct bio *bio;

	if (!head->md)
		return;
	spin_lock_irq(&origin->deferred_lock);
	head->stop = noflush ? SNAP_STOP_PUSH_BACK : SNAP_STOP_NO_WAIT;
	if (list_empty(&head->stopping))
		list_add(&head->stopping, &origin->stopping);
	spin_unlock_irq(&origin->deferred_lock);

	rcu_read_lock();
	list_for_each_entry_rcu(snap, &origin->snapshots, on_origin)
		snap_space_take_bios_of(snap, dm_disk(head->md), &bios);
	rcu_read_unlock();
	while ((bio = bio_list_pop(&bios))) {
		snap_origin_continue(origin, bio);
		cond_resched();
	}
}

void snap_origin_go_on(struct snap_origin *origin, struct snap_head *head)
{
	spin_lock_irq(&origin->deferred_lock);
	list_del_init(&head->stopping);
	spin_unlock_irq(&origin->deferred_lock);
}

void snap_origin_settled(struct snap_origin *origin)
{
	unsigned long flags;

	atomic_inc(&origin->settled_seq);
	/* What ended is visible before we look for those who wait for it. */
	smp_mb();
	if (waitqueue_active(&origin->settled))
		wake_up_all(&origin->settled);
	if (!bio_list_empty(&origin->deferred)) {
		spin_lock_irqsave(&origin->deferred_lock, flags);
		bio_list_merge(&origin->released, &origin->deferred);
		bio_list_init(&origin->deferred);
		spin_unlock_irqrestore(&origin->deferred_lock, flags);
		snap_origin_kick(origin);
	}
}

void snap_origin_release(struct snap_origin *origin, struct bio_list *bios)
{
	unsigned long flags;
	struct bio *bio;

	if (bio_list_empty(bios))
		return;
	if (snap_copy_is_crowded(origin)) {
		spin_lock_irqsave(&origin->deferred_lock, flags);
		bio_list_merge(&origin->released, bios);
		spin_unlock_irqrestore(&origin->deferred_lock, flags);
		snap_origin_kick(origin);
		return;
	}
	while ((bio = bio_list_pop(bios))) {
		snap_origin_continue(origin, bio);
		cond_resched();
	}
}

void snap_origin_kick(struct snap_origin *origin)
{
	if (snap_turns_raise(&origin->turns))
		queue_work(origin->wq, &origin->work);
}

static void continue_released(struct snap_origin *origin)
{
	struct bio_list bios = BIO_EMPTY_LIST;
	struct blk_plug plug;
	struct bio *bio;

	spin_lock_irq(&origin->deferred_lock);
	bio_list_merge(&bios, &origin->released);
	bio_list_init(&origin->released);
	spin_unlock_irq(&origin->deferred_lock);

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(&bios))) {
		snap_origin_continue(origin, bio);
		cond_resched();
	}
	blk_finish_plug(&plug);
}

static void origin_work(struct work_struct *work)
{
	struct snap_origin *origin =
		container_of(work, struct snap_origin, work);
	unsigned int noio = memalloc_noio_save();
	int i, seen = 0;
	bool over = false;

	/* An end, so that whoever waits for this work does not wait for ever. */
	for (i = 0; i < TURNS && !over; i++) {
		seen = snap_turns_seen(&origin->turns);
		continue_released(origin);
		snap_copy_go_on(origin);
		snap_worker_at_origin(origin);
		over = snap_turns_over(&origin->turns, seen);
		cond_resched();
	}
	if (!over)
		queue_work(origin->wq, work);
	memalloc_noio_restore(noio);
}

struct snap_origin *snap_origin_create(struct block_device *bdev)
{
	struct snap_origin *origin = kzalloc(sizeof(*origin), GFP_KERNEL);
	int r = -ENOMEM;

	if (!origin)
		return ERR_PTR(-ENOMEM);
	origin->bdev = bdev;
	origin->devt = bdev->bd_dev;
	INIT_LIST_HEAD(&origin->list);
	INIT_LIST_HEAD(&origin->heads);
	INIT_LIST_HEAD(&origin->snapshots);
	INIT_LIST_HEAD(&origin->stopping);
	init_waitqueue_head(&origin->settled);
	init_waitqueue_head(&origin->switched);
	spin_lock_init(&origin->deferred_lock);
	bio_list_init(&origin->deferred);
	bio_list_init(&origin->released);
	init_llist_head(&origin->workers_due);
	INIT_WORK(&origin->work, origin_work);

	origin->wq = alloc_workqueue("snap_origin_%pg",
				     WQ_MEM_RECLAIM | WQ_UNBOUND, 0, bdev);
	if (!origin->wq)
		goto out_free;
	r = snap_copy_init(origin);
	if (r)
		goto out_wq;
	return origin;

out_wq:
	destroy_workqueue(origin->wq);
out_free:
	kfree(origin);
	return ERR_PTR(r);
}

void snap_origin_free(struct snap_origin *origin)
{
	/* The last copy may be over before the work that started it is. */
	cancel_work_sync(&origin->work);
	snap_copy_exit(origin);
	destroy_workqueue(origin->wq);
	kfree(origin);
}
