// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copying pending runs from the origin to COW devices.
 *
 * Runs that read the same sectors, one of each snapshot, are a job. Jobs that follow
 * each other on all their COW devices, as those of scattered writes do, are written
 * as a group, by one request for each device; those that follow each other on the
 * origin too are read as one.
 *
 * What a group writes to one COW device is a part. Only the read is shared: each part is
 * done by itself, since the COW device of one may lie on the snapshot of another, and
 * its write then waits for a commit of that one.
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

bool snap_run_is_cut_short(const struct snapshot *snap, sector_t first,
			   u64 nr_chunks, sector_t count)
{
	return first + count < min(first + snap_chunk_to_sector(snap, nr_chunks),
				   snap->sectors);
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

static sector_t group_weight(const struct snap_pending *leader)
{
	const struct snap_pending *first, *p;
	sector_t sum = 0;

	for (first = leader; first; first = first->next_job)
		for (p = first; p; p = p->next_in_job)
			sum += weight(p);
	return sum;
}

/* The sectors of a part, which are those of its group. */
static sector_t part_sectors(const struct snap_pending *part)
{
	sector_t sum = 0;

	for (; part; part = part->next_job)
		sum += part->copy_sectors;
	return sum;
}

/* So that they are written, and their pages free again, one after the other. */
static bool small(const struct snap_pending *leader)
{
	return part_sectors(leader) < SNAP_COPY_LARGE_SECTORS;
}

/*
 * Copies of that weight are no longer under way. Any context; before the last of them is
 * marked, since after that the origin may be gone.
 */
static void leave(struct snap_origin *origin, sector_t sum)
{
	unsigned long flags;
	bool more;

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
static void part_done(struct snap_pending *part, bool failed)
{
	struct snapshot *snap = part->snap;
	bool at_origin = small(part);
	struct snap_pending *next;

	/* Holds up snapshot_destroy() until the kick is done. */
	rcu_read_lock();
	for (; part; part = next) {
		next = part->next_job;
		snap_pending_mark_copied(part,
					 failed ? BLK_STS_IOERR : BLK_STS_OK);
	}
	snap_worker_kick_if_due(snap, at_origin);
	rcu_read_unlock();
}

/* Any context. */
static void group_failed(struct snap_pending *leader)
{
	struct snap_pending *part, *next;

	leave(leader->snap->origin, group_weight(leader));
	for (part = leader; part; part = next) {
		next = part->next_in_job;
		part_done(part, true);
	}
}

static void kcopyd_done(int read_err, unsigned long write_err, void *context)
{
	struct snap_pending *p = context;

	leave(p->snap->origin, weight(p));
	part_done(p, read_err || write_err);
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
		.count = part_sectors(leader),
	};
}

static struct dm_io_region target_region(const struct snap_pending *part)
{
	return (struct dm_io_region){
		.bdev = snap_cow_bdev(part->snap),
		.sector = target_sector(part),
		.count = part_sectors(part),
	};
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
	struct snap_pending *part = context;
	struct snap_origin *origin = part->snap->origin;
	struct page_list *pages = part->pages;
	struct snap_page *page = snap_page(pages);
	sector_t sum = page->weight;

	if (atomic_dec_and_test(&page->nr_parts)) {
		snap_pages_give(&origin->pages, pages);
		leave(origin, sum);
	}
	part_done(part, error);
}

static void start_io(struct snap_pending *p, blk_opf_t opf,
		     struct dm_io_region where, io_notify_fn done)
{
	struct dm_io_request request = {
		.bi_opf = opf,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = p->pages,
		.notify.fn = done,
		.notify.context = p,
		.client = p->snap->origin->io,
	};

	/* Only a request without a notification can fail here. */
	dm_io(&request, 1, &where, NULL, IOPRIO_DEFAULT);
}

static void write_part(struct snap_pending *part)
{
	bool durable = snap_cow_takes_fua(part->snap);
	struct snap_pending *p;

	for (p = part; p; p = p->next_job)
		p->durable = durable;
	start_io(part, REQ_OP_WRITE | (durable ? REQ_FUA : 0),
		 target_region(part), write_done);
}

/* From now on the parts of a group are done one by one. */
static void part_ways(struct snap_pending *leader)
{
	struct snap_page *page = snap_page(leader->pages);
	struct snap_pending *part;
	int nr = 0;

	page->weight = group_weight(leader);
	for (part = leader; part; part = part->next_in_job, nr++)
		part->pages = leader->pages;
	atomic_set(&page->nr_parts, nr);
}

/* Any context. */
static void read_done(unsigned long error, void *context)
{
	struct snap_pending *leader = context, *part, *next;
	struct snap_origin *origin = leader->snap->origin;
	unsigned long flags;

	if (error) {
		snap_pages_give(&origin->pages, leader->pages);
		group_failed(leader);
		return;
	}
	/* Within the lock: once another has taken the runs, the origin may be gone. */
	spin_lock_irqsave(&origin->copy_lock, flags);
	if (small(leader)) {
		list_add_tail(&leader->start, &origin->copies_read);
		snap_origin_kick(origin);
	} else {
		part_ways(leader);
		for (part = leader; part; part = next) {
			next = part->next_in_job;
			list_add_tail(&part->start, &origin->parts_read);
			snap_worker_kick(part->snap);
		}
	}
	queue_delayed_work(origin->wq, &origin->copy_late_work, COPY_LATE);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
}

/* @job is to be read, or written, with the jobs of a group whose last one is @last. */
static void join(struct snap_pending *last, struct snap_pending *job)
{
	for (; last && job; last = last->next_in_job, job = job->next_in_job)
		last->next_job = job;
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
	if (!list_is_singular(groups))
		list_sort(NULL, groups, by_target);
	while (!list_empty(groups)) {
		struct snap_pending *leader = list_first_entry(
			groups, struct snap_pending, start);
		struct snap_pending *last = last_job(leader), *next;
		struct page_list *page = last_page(leader->pages);

		list_del(&leader->start);
		while ((next = list_first_entry_or_null(
				groups, struct snap_pending, start)) &&
		       small(leader) && targets_follow(last, next)) {
			list_del(&next->start);
			page->next = next->pages;
			page = last_page(next->pages);
			join(last, next);
			last = last_job(next);
		}
		part_ways(leader);
		for (; leader; leader = next) {
			next = leader->next_in_job;
			write_part(leader);
		}
	}
}

static void write_small(struct snap_origin *origin)
{
	unsigned long flags;
	LIST_HEAD(groups);

	spin_lock_irqsave(&origin->copy_lock, flags);
	list_splice_init(&origin->copies_read, &groups);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
	if (!list_empty(&groups))
		write_groups(&groups);
}

/* The large parts of @snap, or, NULL, of all. */
static void write_large(struct snap_origin *origin, const struct snapshot *snap)
{
	struct snap_pending *part, *next;
	unsigned long flags;
	LIST_HEAD(parts);

	spin_lock_irqsave(&origin->copy_lock, flags);
	list_for_each_entry_safe(part, next, &origin->parts_read, start)
		if (!snap || part->snap == snap)
			list_move_tail(&part->start, &parts);
	spin_unlock_irqrestore(&origin->copy_lock, flags);
	list_for_each_entry_safe(part, next, &parts, start) {
		list_del(&part->start);
		write_part(part);
	}
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
	struct dm_io_region from = source_region(leader);

	leader->pages = snap_copy_take_pages(leader->snap->origin, from.count);
	if (!leader->pages)
		return false;
	start_io(leader, REQ_OP_READ, from, read_done);
	return true;
}

/* Each run by itself: kcopyd tells of all its destinations at once. */
static void copy_by_kcopyd(struct snap_pending *p)
{
	struct dm_io_region from, to;

	p->next_job = NULL;
	p->shared = false;
	from = source_region(p);
	to = target_region(p);
	dm_kcopyd_copy(p->snap->origin->kcopyd, &from, 1, &to, 0, kcopyd_done,
		       p);
}

static void start_group(struct snap_pending *leader)
{
	struct snap_pending *p, *next, *next_job;

	if (copy_through_pages(leader))
		return;
	for (; leader; leader = next_job) {
		next_job = leader->next_job;
		for (p = leader; p; p = next) {
			next = p->next_in_job;
			copy_by_kcopyd(p);
		}
	}
}

/* Takes a job off the list: its first run and those that read the same. */
static struct snap_pending *take_job(struct snap_origin *origin,
				     struct list_head *runs)
{
	struct snap_pending *first = list_first_entry(
		runs, struct snap_pending, start);
	struct snap_pending *p = first;

	list_del(&first->start);
	first->copy_sectors = source_count(origin, first);
	while (!list_empty(runs)) {
		struct snap_pending *next = list_first_entry(
			runs, struct snap_pending, start);

		/* The origin may grow meanwhile. */
		next->copy_sectors = source_count(origin, next);
		if (source_sector(next) != source_sector(first) ||
		    next->copy_sectors != first->copy_sectors)
			break;
		list_del(&next->start);
		next->shared = true;
		p->next_in_job = next;
		p = next;
	}
	first->shared = first->next_in_job;
	return first;
}

static bool job_is_cut_short(const struct snap_pending *first)
{
	const struct snap_pending *p;

	for (p = first; p; p = p->next_in_job)
		if (snap_run_is_cut_short(p->snap, source_sector(p),
					  p->run.nr_chunks, p->copy_sectors))
			return true;
	return false;
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
		    !(last ? source_sector(last) == source_sector(p) : late))
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

/* The caller, a work, allocates without I/O. */
static void start_queued(struct snap_origin *origin, bool late)
{
	struct snap_pending *leader = NULL, *last = NULL;
	LIST_HEAD(runs);

	take_turn(origin, late, &runs);
	while (!list_empty(&runs)) {
		struct snap_pending *job = take_job(origin, &runs);

		if (!job->copy_sectors || job_is_cut_short(job)) {
			group_failed(job);
			continue;
		}
		if (leader && small(leader) && source_follows(last, job) &&
		    targets_follow(last, job)) {
			join(last, job);
		} else {
			if (leader)
				start_group(leader);
			leader = job;
		}
		last = job;
	}
	if (leader)
		start_group(leader);
}

void snap_copy_go_on(struct snap_origin *origin)
{
	start_queued(origin, false);
	write_small(origin);
}

bool snap_copy_has_large(const struct snap_origin *origin)
{
	return !list_empty_careful(&origin->parts_read);
}

void snap_copy_write_large(struct snapshot *snap)
{
	if (snap_copy_has_large(snap->origin))
		write_large(snap->origin, snap);
}

static void copy_late_work(struct work_struct *work)
{
	struct snap_origin *origin = container_of(
		to_delayed_work(work), struct snap_origin, copy_late_work);
	unsigned int noio = memalloc_noio_save();

	start_queued(origin, true);
	write_small(origin);
	write_large(origin, NULL);
	memalloc_noio_restore(noio);
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
	INIT_LIST_HEAD(&origin->parts_read);
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
