// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copying pending runs from the origin to COW devices.
 *
 * A job is read and written through pages that the origin keeps: to allocate them
 * for each job, and clear them as kernels do by default, takes longer than the
 * copy where the devices are fast. kcopyd does what is larger than they are, what
 * comes while they are all in use, and everything when it is to be throttled.
 *
 * Only as much as keeps the devices busy is under way at once: more would make
 * writer, copier and committer wait for each other in turn. While several writes
 * are under way a worker starts the reads and another the writes, which find
 * themselves idle CPUs. A lone writer starts its copy itself.
 */
#include <linux/ioprio.h>
#include <linux/list_sort.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include "copy.h"
#include "origin.h"
#include "pending.h"
#include "snapshot.h"

/* What is under way at once; one run always is. The origin's pages hold as much. */
#define MAX_COPYING_SECTORS ((2U << 20) >> SECTOR_SHIFT)
/*
 * After this time more is started all the same, by kcopyd when the pages are in
 * use: where a COW device lies on a snapshot of the same origin, the copies under
 * way may need one that waits here.
 */
#define COPY_LATE (HZ / 4)

DECLARE_DM_KCOPYD_THROTTLE_WITH_MODULE_PARM(snapshot_copy_throttle,
		"Share of the time that may be spent copying, in percent");

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

/* The copies of @first and the rest of its job are no longer under way. Any context. */
static void leave(const struct snap_pending *first)
{
	struct snap_origin *origin = first->snap->origin;
	const struct snap_pending *p;
	unsigned long flags;
	bool more;

	spin_lock_irqsave(&origin->copy_lock, flags);
	for (p = first; p; p = p->next_in_job)
		origin->copying_sectors -= weight(p);
	if (!origin->copying_sectors) {
		origin->copies_crowded = origin->copies_overlap;
		origin->copies_overlap = false;
	}
	more = !list_empty(&origin->copies);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
	if (more)
		queue_work(origin->wq, &origin->copy_work);
}

/* Any context. Only marks: nothing here may wait. */
static void copy_done(int read_err, unsigned long write_err, void *context)
{
	struct snap_pending *p = context;
	unsigned int i = 0;

	/* Before the first is marked: after the last the origin may be gone. */
	leave(p);
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

static struct dm_io_region source_region(const struct snap_pending *first)
{
	return (struct dm_io_region){
		.bdev = first->snap->origin->bdev,
		.sector = source_sector(first),
		.count = first->copy_sectors,
	};
}

/* Returns how many. */
static unsigned int destinations(const struct snap_pending *first,
				 struct dm_io_region *to)
{
	const struct snap_pending *p;
	unsigned int nr = 0;

	for (p = first; p; p = p->next_in_job, nr++) {
		to[nr].bdev = snap_cow_bdev(p->snap);
		to[nr].sector = snap_chunk_to_sector(p->snap, p->run.new_chunk);
		to[nr].count = first->copy_sectors;
	}
	return nr;
}

/* Any context. */
static void write_done(unsigned long error, void *context)
{
	struct snap_pending *first = context;

	snap_pages_give(&first->snap->origin->pages, first->pages);
	copy_done(0, error, first);
}

/* Any context. */
static void read_done(unsigned long error, void *context)
{
	struct snap_pending *first = context;
	struct snap_origin *origin = first->snap->origin;
	unsigned long flags;

	if (error) {
		snap_pages_give(&origin->pages, first->pages);
		copy_done(1, 0, first);
		return;
	}
	/* Within the lock: once another has taken the run, the origin may be gone. */
	spin_lock_irqsave(&origin->copy_lock, flags);
	list_add_tail(&first->start, &origin->copies_read);
	queue_work(origin->wq, &origin->copy_write_work);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
}

static void start_io(struct snap_pending *first, blk_opf_t opf,
		    struct dm_io_region *where, unsigned int nr,
		    io_notify_fn done)
{
	struct dm_io_request request = {
		.bi_opf = opf,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = first->pages,
		.notify.fn = done,
		.notify.context = first,
		.client = first->snap->origin->io,
	};

	/* Only a request without a notification can fail here. */
	dm_io(&request, nr, where, NULL, IOPRIO_DEFAULT);
}

static void copy_write_work(struct work_struct *work)
{
	struct snap_origin *origin =
		container_of(work, struct snap_origin, copy_write_work);
	unsigned int noio = memalloc_noio_save();
	unsigned long flags;
	LIST_HEAD(read);

	spin_lock_irqsave(&origin->copy_lock, flags);
	list_splice_init(&origin->copies_read, &read);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
	while (!list_empty(&read)) {
		struct dm_io_region to[SNAP_COPY_MAX_DESTINATIONS];
		struct snap_pending *first = list_first_entry(
			&read, struct snap_pending, start);
		unsigned int nr = destinations(first, to);

		list_del(&first->start);
		start_io(first, REQ_OP_WRITE, to, nr, write_done);
	}
	memalloc_noio_restore(noio);
}

/*
 * Copies through the origin's pages, if enough are free. False: it is kcopyd's
 * turn, who alone knows how to throttle.
 */
static bool copy_through_pages(struct snap_pending *first)
{
	struct snap_origin *origin = first->snap->origin;
	struct dm_io_region from = source_region(first);

	if (READ_ONCE(dm_kcopyd_throttle.throttle) < 100)
		return false;
	first->pages = snap_pages_take(&origin->pages,
				       DIV_ROUND_UP(from.count, PAGE_SECTORS));
	if (!first->pages)
		return false;
	start_io(first, REQ_OP_READ, &from, 1, read_done);
	return true;
}

/* One job: @first and those of the list that read the same. */
static void start_job(struct snap_origin *origin, struct snap_pending *first,
		      struct list_head *runs)
{
	struct dm_io_region to[SNAP_COPY_MAX_DESTINATIONS], from;
	struct snap_pending *p = first;
	unsigned int nr = 0;

	first->copy_sectors = source_count(origin, first);
	for (;;) {
		p->shared = p != first;
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
	if (!first->copy_sectors) {
		/* The origin shrank below it. */
		copy_done(1, 0, first);
		return;
	}
	if (copy_through_pages(first))
		return;
	from = source_region(first);
	destinations(first, to);
	/*
	 * Ignoring errors makes kcopyd go on after the first one: with several
	 * destinations the healthy ones must get all of the run.
	 */
	dm_kcopyd_copy(origin->kcopyd, &from, nr, to,
		       nr > 1 ? BIT(DM_KCOPYD_IGNORE_ERROR) : 0, copy_done,
		       first);
}

/*
 * Takes off the queue what may start now, or, @late, up to as much again;
 * runs of one job stay together.
 */
static void take_turn(struct snap_origin *origin, bool late,
		      struct list_head *runs)
{
	struct snap_pending *last = NULL;
	sector_t most = MAX_COPYING_SECTORS;
	unsigned long flags;

	spin_lock_irqsave(&origin->copy_lock, flags);
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
	spin_unlock_irqrestore(&origin->copy_lock, flags);
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

int snap_copy_init(struct snap_origin *origin)
{
	origin->kcopyd = dm_kcopyd_client_create(&dm_kcopyd_throttle);
	if (IS_ERR(origin->kcopyd))
		return PTR_ERR(origin->kcopyd);
	origin->io = dm_io_client_create();
	if (IS_ERR(origin->io)) {
		dm_kcopyd_client_destroy(origin->kcopyd);
		return PTR_ERR(origin->io);
	}
	snap_pages_init(&origin->pages,
			MAX_COPYING_SECTORS / PAGE_SECTORS);
	spin_lock_init(&origin->copy_lock);
	INIT_LIST_HEAD(&origin->copies);
	INIT_WORK(&origin->copy_work, copy_work);
	INIT_LIST_HEAD(&origin->copies_read);
	INIT_WORK(&origin->copy_write_work, copy_write_work);
	INIT_DELAYED_WORK(&origin->copy_late_work, copy_late_work);
	return 0;
}

void snap_copy_exit(struct snap_origin *origin)
{
	cancel_delayed_work_sync(&origin->copy_late_work);
	snap_pages_exit(&origin->pages);
	dm_io_client_destroy(origin->io);
	dm_kcopyd_client_destroy(origin->kcopyd);
}

void snap_copy_start(struct snap_origin *origin, struct list_head *runs)
{
	unsigned long flags;
	bool crowded;

	if (list_empty(runs))
		return;
	if (!list_is_singular(runs))
		list_sort(origin, runs, by_source);
	spin_lock_irqsave(&origin->copy_lock, flags);
	if (origin->copying_sectors || !list_empty(&origin->copies))
		origin->copies_overlap = true;
	crowded = origin->copies_overlap || origin->copies_crowded;
	list_splice_tail_init(runs, &origin->copies);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
	if (crowded)
		queue_work(origin->wq, &origin->copy_work);
	else
		start_queued(origin, false);
}
