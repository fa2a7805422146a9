// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copying pending runs from the origin to COW devices.
 *
 * kcopyd has one thread a client, on the CPU that woke it, and takes all jobs
 * that it has through each stage together: all reads, then all writes. Left alone
 * that makes writer, copier and committer wait for each other in turn. So only
 * as much as keeps the devices busy is handed to it at once, and while several
 * writes are under way a worker hands it over, which finds itself an idle CPU. A
 * lone writer starts its copy itself.
 */
#include <linux/list_sort.h>
#include <linux/sched/mm.h>
#include "copy.h"
#include "origin.h"
#include "pending.h"
#include "snapshot.h"

/* What kcopyd is given at once; one run always is. */
#define MAX_COPYING_SECTORS ((2U << 20) >> SECTOR_SHIFT)
/*
 * After this time more is handed over all the same: where a COW device lies on a
 * snapshot of the same origin, the copies that kcopyd has may need one that waits
 * here.
 */
#define COPY_LATE (HZ / 4)

static sector_t source_sector(const struct snap_pending *p)
{
	return snap_chunk_to_sector(p->snap, p->run.old_chunk);
}

sector_t snap_clip_run(const struct snapshot *snap, sector_t origin_sectors,
		       sector_t first, u64 nr_chunks)
{
	sector_t block = bdev_logical_block_size(snap_cow_bdev(snap)) >>
			 SECTOR_SHIFT;
	sector_t count = snap_chunk_to_sector(snap, nr_chunks);

	if (first >= origin_sectors)
		return 0;
	count = min(count, origin_sectors - first);
	if (count & (block - 1) && first < snap->sectors)
		count = min(count, snap->sectors - first);
	return count;
}

/* The last chunk of an origin may be partial. */
static sector_t source_count(const struct snap_origin *origin,
			     const struct snap_pending *p)
{
	return snap_clip_run(p->snap, bdev_nr_sectors(origin->bdev),
			     source_sector(p), p->run.nr_chunks);
}

static int by_source(void *priv, const struct list_head *a,
		     const struct list_head *b)
{
	const struct snap_pending *pa = list_entry(a, struct snap_pending, start);
	const struct snap_pending *pb = list_entry(b, struct snap_pending, start);
	sector_t sa = source_sector(pa), sb = source_sector(pb);

	if (sa == sb) {
		sa = source_count(priv, pa);
		sb = source_count(priv, pb);
	}
	return sa < sb ? -1 : sa > sb;
}

/*
 * What a run weighs in copying_sectors. Not clipped to the size of the origin,
 * which may change before the copy is done.
 */
static sector_t weight(const struct snap_pending *p)
{
	return snap_chunk_to_sector(p->snap, p->run.nr_chunks);
}

/* The copies of @first and the rest of its job no longer keep kcopyd busy. */
static void leave_kcopyd(const struct snap_pending *first)
{
	struct snap_origin *origin = first->snap->origin;
	const struct snap_pending *p;
	bool more;

	spin_lock(&origin->copy_lock);
	for (p = first; p; p = p->next_in_job)
		origin->copying_sectors -= weight(p);
	if (!origin->copying_sectors) {
		origin->copies_crowded = origin->copies_overlap;
		origin->copies_overlap = false;
	}
	more = !list_empty(&origin->copies);
	spin_unlock(&origin->copy_lock);
	if (more)
		queue_work(origin->wq, &origin->copy_work);
}

/* kcopyd's thread. Only marks: nothing here may wait. */
static void copy_done(int read_err, unsigned long write_err, void *context)
{
	struct snap_pending *p = context;
	unsigned int i = 0;

	/* Before the first is marked: after the last the origin may be gone. */
	leave_kcopyd(p);
	while (p) {
		struct snap_pending *next = p->next_in_job;
		bool failed = read_err || (write_err & BIT(i));

		snap_pending_copied(p, failed ? BLK_STS_IOERR : BLK_STS_OK);
		p = next;
		i++;
	}
}

/* True when the two can be destinations of one job. */
static bool same_source(const struct snap_origin *origin,
			const struct snap_pending *a,
			const struct snap_pending *b)
{
	return source_sector(a) == source_sector(b) &&
	       source_count(origin, a) == source_count(origin, b);
}

/* One job: @first and those of the list that read the same. */
static void start_job(struct snap_origin *origin, struct snap_pending *first,
		      struct list_head *runs)
{
	struct dm_io_region from = {
		.bdev = origin->bdev,
		.sector = source_sector(first),
		.count = source_count(origin, first),
	};
	struct dm_io_region to[SNAP_COPY_MAX_DESTINATIONS];
	struct snap_pending *p = first;
	unsigned int nr = 0;

	for (;;) {
		p->shared = p != first;
		to[nr].bdev = snap_cow_bdev(p->snap);
		to[nr].sector = snap_chunk_to_sector(p->snap, p->run.new_chunk);
		to[nr].count = from.count;
		nr++;
		p->next_in_job = NULL;
		if (nr == SNAP_COPY_MAX_DESTINATIONS || list_empty(runs))
			break;
		p->next_in_job = list_first_entry(runs, struct snap_pending, start);
		if (!same_source(origin, first, p->next_in_job)) {
			p->next_in_job = NULL;
			break;
		}
		p = p->next_in_job;
		list_del(&p->start);
	}

	first->shared = nr > 1;
	if (!from.count) {
		/* The origin shrank below it. */
		copy_done(1, 0, first);
		return;
	}
	/*
	 * Ignoring errors makes kcopyd go on after the first one: with several
	 * destinations the healthy ones must get all of the run.
	 */
	dm_kcopyd_copy(origin->kcopyd, &from, nr, to,
		       nr > 1 ? BIT(DM_KCOPYD_IGNORE_ERROR) : 0, copy_done,
		       first);
}

/*
 * Takes off the queue what kcopyd may have now, or, @late, up to as much again;
 * runs of one job stay together.
 */
static void take_turn(struct snap_origin *origin, bool late,
		      struct list_head *runs)
{
	struct snap_pending *last = NULL;
	sector_t most = MAX_COPYING_SECTORS;

	spin_lock(&origin->copy_lock);
	if (late)
		most += origin->copying_sectors;
	while (!list_empty(&origin->copies)) {
		struct snap_pending *p = list_first_entry(&origin->copies,
							  struct snap_pending,
							  start);

		if (origin->copying_sectors &&
		    origin->copying_sectors + weight(p) > most &&
		    !(last && same_source(origin, last, p)))
			break;
		origin->copying_sectors += weight(p);
		list_move_tail(&p->start, runs);
		last = p;
	}
	if (!list_empty(&origin->copies))
		queue_delayed_work(origin->wq, &origin->copy_late_work,
				   COPY_LATE);
	spin_unlock(&origin->copy_lock);
}

static void start_queued(struct snap_origin *origin, bool late)
{
	unsigned int noio = memalloc_noio_save();
	LIST_HEAD(runs);

	take_turn(origin, late, &runs);
	while (!list_empty(&runs)) {
		struct snap_pending *p =
			list_first_entry(&runs, struct snap_pending, start);

		list_del(&p->start);
		start_job(origin, p, &runs);
	}
	memalloc_noio_restore(noio);
}

static void copy_work(struct work_struct *work)
{
	start_queued(container_of(work, struct snap_origin, copy_work), false);
}

static void copy_late_work(struct work_struct *work)
{
	start_queued(container_of(to_delayed_work(work), struct snap_origin,
				  copy_late_work),
		     true);
}

void snap_copy_init(struct snap_origin *origin)
{
	spin_lock_init(&origin->copy_lock);
	INIT_LIST_HEAD(&origin->copies);
	INIT_WORK(&origin->copy_work, copy_work);
	INIT_DELAYED_WORK(&origin->copy_late_work, copy_late_work);
}

void snap_copy_exit(struct snap_origin *origin)
{
	cancel_delayed_work_sync(&origin->copy_late_work);
}

void snap_copy_start(struct snap_origin *origin, struct list_head *runs)
{
	bool crowded;

	if (list_empty(runs))
		return;
	if (!list_is_singular(runs))
		list_sort(origin, runs, by_source);
	spin_lock(&origin->copy_lock);
	if (origin->copying_sectors || !list_empty(&origin->copies))
		origin->copies_overlap = true;
	crowded = origin->copies_overlap || origin->copies_crowded;
	list_splice_tail_init(runs, &origin->copies);
	spin_unlock(&origin->copy_lock);
	if (crowded)
		queue_work(origin->wq, &origin->copy_work);
	else
		start_queued(origin, false);
}
