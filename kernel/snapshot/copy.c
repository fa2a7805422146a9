// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copying pending runs from the origin to COW devices.
 *
 * Runs that read the same sectors, one of each snapshot, are a job. Jobs that follow
 * each other on all their COW devices, as those of scattered writes do, are written
 * as a group, by one request for each device; those that follow each other on the
 * origin too are read as one.
 *
 * A group goes through pages that the origin keeps: to allocate them for each job,
 * and clear them as kernels do by default, takes longer than the copy where the
 * devices are fast. kcopyd does what is larger than they are, what comes while they
 * are all in use, and everything when it is to be throttled.
 *
 * Only as much as keeps the devices busy is under way at once: more would make
 * writer, copier and committer wait for each other in turn. The origin's work starts
 * the reads, and writes what is small; moving large data takes time even where a
 * device has it at once, so the worker of a snapshot writes that, on another CPU.
 * Nothing starts in map(): what is submitted there stays with the task until map()
 * returns, and a second copy might wait for the memory of the first.
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
#define MAX_COPYING_SECTORS ((4U << 20) >> SECTOR_SHIFT)
/*
 * After this time more is started all the same, by kcopyd when the pages are in
 * use, and what was read is written: where a COW device lies on a snapshot of the
 * same origin, the copies under way, or a worker at its metadata, may need one that
 * waits here.
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

static sector_t job_weight(const struct snap_pending *first)
{
	const struct snap_pending *p;
	sector_t sum = 0;

	for (p = first; p; p = p->next_in_job)
		sum += weight(p);
	return sum;
}

/* The sectors of each destination. */
static sector_t group_sectors(const struct snap_pending *leader)
{
	const struct snap_pending *first;
	sector_t sum = 0;

	for (first = leader; first; first = first->next_job)
		sum += first->copy_sectors;
	return sum;
}

/* So that they are written, and their pages free again, one after the other. */
static bool small(const struct snap_pending *leader)
{
	return group_sectors(leader) < SNAP_COPY_LARGE_SECTORS;
}

/* The copies of a group are no longer under way. Any context. */
static void leave(const struct snap_pending *leader)
{
	struct snap_origin *origin = leader->snap->origin;
	const struct snap_pending *first;
	sector_t sum = 0;
	unsigned long flags;
	bool more;

	for (first = leader; first; first = first->next_job)
		sum += job_weight(first);
	spin_lock_irqsave(&origin->copy_lock, flags);
	origin->copying_sectors -= sum;
	if (!origin->copying_sectors) {
		origin->copies_crowded = origin->copies_overlap;
		origin->copies_overlap = false;
	}
	more = !list_empty(&origin->copies);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
	if (more)
		snap_origin_kick(origin);
}

/* Any context. Only marks: nothing here may wait. */
static void group_done(struct snap_pending *leader, bool read_failed,
		       unsigned long write_err)
{
	struct snapshot *snaps[SNAP_COPY_MAX_DESTINATIONS];
	struct snap_pending *first = leader, *p;
	bool at_origin = small(leader);
	unsigned int nr = 0, i;

	/* Before the first is marked: after the last the origin may be gone. */
	leave(leader);
	for (p = leader; p; p = p->next_in_job)
		snaps[nr++] = p->snap;

	/* Holds up snapshot_destroy() until the kicks are done. */
	rcu_read_lock();
	while (first) {
		struct snap_pending *next_job = first->next_job;

		for (p = first, i = 0; p; i++) {
			struct snap_pending *next = p->next_in_job;
			bool failed = read_failed || (write_err & BIT(i));

			snap_pending_mark_copied(p, failed ? BLK_STS_IOERR :
							     BLK_STS_OK);
			p = next;
		}
		first = next_job;
	}
	for (i = 0; i < nr; i++)
		snap_worker_kick_if_due(snaps[i], at_origin);
	rcu_read_unlock();
}

static void kcopyd_done(int read_err, unsigned long write_err, void *context)
{
	group_done(context, read_err, write_err);
}

/* True when the two can be destinations of one job. */
static bool same_source(const struct snap_origin *origin,
			const struct snap_pending *a,
			const struct snap_pending *b)
{
	return source_sector(a) == source_sector(b) &&
	       source_count(origin, a) == source_count(origin, b);
}

static sector_t target_sector(const struct snap_pending *p)
{
	return snap_chunk_to_sector(p->snap, p->run.new_chunk);
}

static struct dm_io_region source_region(const struct snap_pending *leader)
{
	return (struct dm_io_region){
		.bdev = leader->snap->origin->bdev,
		.sector = source_sector(leader),
		.count = group_sectors(leader),
	};
}

/* Returns how many. */
static unsigned int destinations(const struct snap_pending *leader,
				 struct dm_io_region *to)
{
	sector_t count = group_sectors(leader);
	const struct snap_pending *p;
	unsigned int nr = 0;

	for (p = leader; p; p = p->next_in_job, nr++) {
		to[nr].bdev = snap_cow_bdev(p->snap);
		to[nr].sector = target_sector(p);
		to[nr].count = count;
	}
	return nr;
}

/* True when job @b can be written by the requests that write job @a. */
static bool targets_follow(const struct snap_pending *a,
			   const struct snap_pending *b)
{
	sector_t count = a->copy_sectors;

	/* Its pages are full. */
	if (count & (PAGE_SECTORS - 1))
		return false;
	for (; a && b; a = a->next_in_job, b = b->next_in_job) {
		if (a->snap != b->snap ||
		    target_sector(a) + count != target_sector(b))
			return false;
	}
	return !a && !b;
}

static bool source_follows(const struct snap_pending *a,
			   const struct snap_pending *b)
{
	return source_sector(a) + a->copy_sectors == source_sector(b);
}

/* Any context. */
static void write_done(unsigned long error, void *context)
{
	struct snap_pending *leader = context;

	snap_pages_give(&leader->snap->origin->pages, leader->pages);
	group_done(leader, false, error);
}

/* Any context. */
static void read_done(unsigned long error, void *context)
{
	struct snap_pending *leader = context;
	struct snap_origin *origin = leader->snap->origin;
	unsigned long flags;

	if (error) {
		snap_pages_give(&origin->pages, leader->pages);
		group_done(leader, true, 0);
		return;
	}
	/* Within the lock: once another has taken the run, the origin may be gone. */
	spin_lock_irqsave(&origin->copy_lock, flags);
	if (small(leader)) {
		list_add_tail(&leader->start, &origin->copies_read);
		snap_origin_kick(origin);
	} else {
		list_add_tail(&leader->start, &origin->copies_read_large);
		snap_worker_kick(leader->snap);
		queue_delayed_work(origin->wq, &origin->copy_late_work,
				   COPY_LATE);
	}
	spin_unlock_irqrestore(&origin->copy_lock, flags);
}

static void start_io(struct snap_pending *leader, blk_opf_t opf,
		    struct dm_io_region *where, unsigned int nr,
		    io_notify_fn done)
{
	struct dm_io_request request = {
		.bi_opf = opf,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = leader->pages,
		.notify.fn = done,
		.notify.context = leader,
		.client = leader->snap->origin->io,
	};

	/* Only a request without a notification can fail here. */
	dm_io(&request, nr, where, NULL, IOPRIO_DEFAULT);
}

static struct snap_pending *last_job(struct snap_pending *leader)
{
	while (leader->next_job)
		leader = leader->next_job;
	return leader;
}

static struct page_list *last_page(struct page_list *pages)
{
	while (pages->next)
		pages = pages->next;
	return pages;
}

static int by_target(void *priv, const struct list_head *a,
		     const struct list_head *b)
{
	const struct snap_pending *pa = list_entry(a, struct snap_pending, start);
	const struct snap_pending *pb = list_entry(b, struct snap_pending, start);

	if (pa->snap != pb->snap)
		return pa->snap < pb->snap ? -1 : 1;
	return pa->run.new_chunk < pb->run.new_chunk ? -1 : 1;
}

/* Writes groups that have been read; joins those that follow each other. */
static void write_groups(struct list_head *groups)
{
	struct dm_io_region to[SNAP_COPY_MAX_DESTINATIONS];

	if (!list_is_singular(groups))
		list_sort(NULL, groups, by_target);
	while (!list_empty(groups)) {
		struct snap_pending *leader = list_first_entry(
			groups, struct snap_pending, start);
		struct snap_pending *last = last_job(leader), *next;
		struct page_list *page = last_page(leader->pages);
		unsigned int nr;

		list_del(&leader->start);
		while ((next = list_first_entry_or_null(
				groups, struct snap_pending, start)) &&
		       small(leader) && targets_follow(last, next)) {
			list_del(&next->start);
			page->next = next->pages;
			page = last_page(next->pages);
			last->next_job = next;
			last = last_job(next);
		}
		nr = destinations(leader, to);
		start_io(leader, REQ_OP_WRITE, to, nr, write_done);
	}
}

static void write_what_was_read(struct snap_origin *origin,
				struct list_head *read)
{
	unsigned long flags;
	LIST_HEAD(groups);

	spin_lock_irqsave(&origin->copy_lock, flags);
	list_splice_init(read, &groups);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
	if (!list_empty(&groups))
		write_groups(&groups);
}

struct page_list *snap_copy_take_pages(struct snap_origin *origin,
				       sector_t nr_sectors)
{
	if (READ_ONCE(dm_kcopyd_throttle.throttle) < 100)
		return NULL;
	snap_pages_fill(&origin->pages, MAX_COPYING_SECTORS / PAGE_SECTORS);
	return snap_pages_take(&origin->pages,
			       DIV_ROUND_UP(nr_sectors, PAGE_SECTORS));
}

/* Copies a group through the origin's pages. False: it is kcopyd's turn. */
static bool copy_through_pages(struct snap_pending *leader)
{
	struct snap_origin *origin = leader->snap->origin;
	struct dm_io_region from = source_region(leader);

	leader->pages = snap_copy_take_pages(origin, from.count);
	if (!leader->pages)
		return false;
	start_io(leader, REQ_OP_READ, &from, 1, read_done);
	return true;
}

static void copy_by_kcopyd(struct snap_pending *first)
{
	struct dm_io_region to[SNAP_COPY_MAX_DESTINATIONS];
	struct dm_io_region from = source_region(first);
	unsigned int nr = destinations(first, to);

	/*
	 * Ignoring errors makes kcopyd go on after the first one: with several
	 * destinations the healthy ones must get all of the run.
	 */
	dm_kcopyd_copy(first->snap->origin->kcopyd, &from, nr, to,
		       nr > 1 ? BIT(DM_KCOPYD_IGNORE_ERROR) : 0, kcopyd_done,
		       first);
}

static void start_group(struct snap_pending *leader)
{
	struct snap_pending *next;

	if (copy_through_pages(leader))
		return;
	for (; leader; leader = next) {
		next = leader->next_job;
		leader->next_job = NULL;
		copy_by_kcopyd(leader);
	}
}

/* Takes a job off the list: its first run and those that read the same. */
static struct snap_pending *take_job(struct snap_origin *origin,
				     struct list_head *runs)
{
	struct snap_pending *first = list_first_entry(
		runs, struct snap_pending, start);
	struct snap_pending *p = first;
	unsigned int nr = 1;

	list_del(&first->start);
	while (nr < SNAP_COPY_MAX_DESTINATIONS && !list_empty(runs)) {
		struct snap_pending *next = list_first_entry(
			runs, struct snap_pending, start);

		if (!same_source(origin, first, next))
			break;
		list_del(&next->start);
		next->shared = true;
		p->next_in_job = next;
		p = next;
		nr++;
	}
	first->shared = nr > 1;
	first->copy_sectors = source_count(origin, first);
	return first;
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

		/* At least one job, whatever its size, when it is late. */
		if (origin->copying_sectors &&
		    origin->copying_sectors + weight(p) > most &&
		    !(last ? same_source(origin, last, p) : late))
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
	struct snap_pending *leader = NULL, *last = NULL;
	unsigned int noio = memalloc_noio_save();
	LIST_HEAD(runs);

	take_turn(origin, late, &runs);
	while (!list_empty(&runs)) {
		struct snap_pending *job = take_job(origin, &runs);

		if (!job->copy_sectors) {
			/* The origin shrank below it. */
			group_done(job, true, 0);
			continue;
		}
		if (leader && small(leader) && source_follows(last, job) &&
		    targets_follow(last, job)) {
			last->next_job = job;
		} else {
			if (leader)
				start_group(leader);
			leader = job;
		}
		last = job;
	}
	if (leader)
		start_group(leader);
	memalloc_noio_restore(noio);
}

void snap_copy_go_on(struct snap_origin *origin)
{
	start_queued(origin, false);
	write_what_was_read(origin, &origin->copies_read);
}

bool snap_copy_has_large(const struct snap_origin *origin)
{
	return !list_empty_careful(&origin->copies_read_large);
}

void snap_copy_write_large(struct snap_origin *origin)
{
	unsigned int noio;

	if (!snap_copy_has_large(origin))
		return;
	noio = memalloc_noio_save();
	write_what_was_read(origin, &origin->copies_read_large);
	memalloc_noio_restore(noio);
}

static void copy_late_work(struct work_struct *work)
{
	struct snap_origin *origin = container_of(
		to_delayed_work(work), struct snap_origin, copy_late_work);

	start_queued(origin, true);
	snap_copy_write_large(origin);
}

bool snap_copy_is_crowded(const struct snap_origin *origin)
{
	return READ_ONCE(origin->copies_overlap) ||
	       READ_ONCE(origin->copies_crowded);
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
	snap_pages_init(&origin->pages);
	spin_lock_init(&origin->copy_lock);
	INIT_LIST_HEAD(&origin->copies);
	INIT_LIST_HEAD(&origin->copies_read);
	INIT_LIST_HEAD(&origin->copies_read_large);
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

	if (list_empty(runs))
		return;
	if (!list_is_singular(runs))
		list_sort(origin, runs, by_source);
	spin_lock_irqsave(&origin->copy_lock, flags);
	if (origin->copying_sectors || !list_empty(&origin->copies))
		origin->copies_overlap = true;
	list_splice_tail_init(runs, &origin->copies);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
	snap_origin_kick(origin);
}
