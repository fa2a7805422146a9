// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a batch of a merge gets from the COW device to the origin.
 */
#include <linux/blkdev.h>
#include <linux/dm-io.h>
#include <linux/dm-kcopyd.h>
#include <linux/ioprio.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "copy.h"
#include "merge_copy.h"
#include "meta_io.h"
#include "origin.h"
#include "snapshot.h"

/* Copies under way at once; each may be a run of many chunks. */
#define MAX_COPIES 64
/* What is read at once for a batch of scattered chunks. */
#define EXTENT_PAGES ((2U << 20) >> PAGE_SHIFT)
/* Small ones may be many; together they leave half of the origin's pages to others. */
#define MAX_PIECES 32
#define PIECE_SECTORS ((512U << 10) >> SECTOR_SHIFT)
#define MAX_PIECES_SECTORS (4 * PIECE_SECTORS)

/* A part of a long run, which is written while the next ones are read. */
struct piece {
	struct work_struct work;
	struct snap_merge_copy *copy;
	struct page_list *pages; /* NULL: it is free */
	struct dm_io_region to;
};

struct snap_merge_copy {
	struct snapshot *snap;
	struct page_list **extent; /* the pages of what was read for a batch */
	struct piece pieces[MAX_PIECES];
	/*
	 * Of pieces and help alone: the work of a merge waits for them, and must not do so
	 * in a queue whose last thread it may be.
	 */
	struct workqueue_struct *wq;
	struct work_struct help; /* write_runs() beside the merge's own work */

	/* Of the batch under way. */
	const struct snap_run *runs;
	u32 nr_runs;
	chunk_t extent_first;
	atomic_t next_run; /* to be written, of those in the extent */
	atomic_t nr_under_way;
	atomic_t piece_sectors; /* of the pieces among them */
	atomic_t failed;
	wait_queue_head_t ended;
};

u32 snap_merge_extent_chunks(const struct snapshot *snap)
{
	sector_t chunk = snap->store->chunk_sectors;

	return chunk & (PAGE_SECTORS - 1) ? 0 :
					    EXTENT_PAGES / (chunk / PAGE_SECTORS);
}

static void copy_ended(struct snap_merge_copy *copy, bool failed)
{
	if (failed)
		atomic_set(&copy->failed, 1);
	/* The last touch: the waiter holds @copy until the count is 0. */
	rcu_read_lock();
	/* Pairs with the acquire of who sees the count: it sees what is above, too. */
	smp_mb__before_atomic();
	atomic_dec(&copy->nr_under_way);
	wake_up_all(&copy->ended);
	rcu_read_unlock();
}

static void kcopyd_done(int read_err, unsigned long write_err, void *context)
{
	copy_ended(context, read_err || write_err);
}

static void write_done(unsigned long error, void *context)
{
	copy_ended(context, error);
}

static void wait_for_copies(struct snap_merge_copy *copy, int nr)
{
	wait_event(copy->ended, atomic_read_acquire(&copy->nr_under_way) <= nr);
}

/*
 * Where run @i goes; false: nowhere. A run of which the origin has no place any more,
 * since it shrank or is gone, must not be forgotten.
 */
static bool destination(struct snap_merge_copy *copy, u32 i,
			struct dm_io_region *to)
{
	struct snapshot *snap = copy->snap;
	u64 nr_chunks = copy->runs[i].nr_chunks;

	to->bdev = snap->origin_dev->bdev;
	to->sector = snap_chunk_to_sector(snap, copy->runs[i].old_chunk);
	to->count = snap_clip_run(snap, bdev_nr_sectors(to->bdev), to->sector,
				  nr_chunks);
	if (snap_run_is_cut_short(snap, to->sector, nr_chunks, to->count)) {
		atomic_set(&copy->failed, 1);
		return false;
	}
	return to->count;
}

/* Where run @i comes from, to fill @to. */
static struct dm_io_region source(const struct snap_merge_copy *copy, u32 i,
				  const struct dm_io_region *to)
{
	return (struct dm_io_region){
		.bdev = snap_cow_bdev(copy->snap),
		.sector = snap_chunk_to_sector(copy->snap,
					       copy->runs[i].new_chunk),
		.count = to->count,
	};
}

static void start_kcopyd(struct snap_merge_copy *copy,
			 struct dm_io_region *from, struct dm_io_region *to)
{
	atomic_inc(&copy->nr_under_way);
	dm_kcopyd_copy(copy->snap->origin->kcopyd, from, 1, to, 0, kcopyd_done,
		       copy);
}

static void copy_by_kcopyd(struct snap_merge_copy *copy)
{
	u32 i;

	for (i = 0; i < copy->nr_runs; i++) {
		struct dm_io_region from, to;

		if (!destination(copy, i, &to))
			continue;
		from = source(copy, i, &to);
		wait_for_copies(copy, MAX_COPIES - 1);
		if (atomic_read(&copy->failed))
			break;
		start_kcopyd(copy, &from, &to);
	}
	wait_for_copies(copy, 0);
}

/* ---- long runs -------------------------------------------------------------- */

static bool runs_are_long(const struct snap_merge_copy *copy)
{
	u64 nr = 0;
	u32 i;

	for (i = 0; i < copy->nr_runs; i++)
		nr += copy->runs[i].nr_chunks;
	return snap_chunk_to_sector(copy->snap, nr) >=
	       (u64)copy->nr_runs * SNAP_MERGE_LONG_RUN_SECTORS;
}

/* Any context. */
static void piece_ended(struct piece *piece, bool failed)
{
	struct snap_merge_copy *copy = piece->copy;

	snap_pages_give(&copy->snap->origin->pages, piece->pages);
	atomic_sub(piece->to.count, &copy->piece_sectors);
	/* Pairs with the acquire in free_piece(). */
	smp_store_release(&piece->pages, NULL);
	copy_ended(copy, failed);
}

static void piece_written(unsigned long error, void *context)
{
	piece_ended(context, error);
}

static void piece_io(struct piece *piece, blk_opf_t opf,
		     struct dm_io_region *where, io_notify_fn done)
{
	struct dm_io_request request = {
		.bi_opf = opf,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = piece->pages,
		.notify.fn = done,
		.notify.context = piece,
		.client = piece->copy->snap->origin->io,
	};

	/* Only a request without a notification can fail here. */
	dm_io(&request, 1, where, NULL, IOPRIO_DEFAULT);
}

/*
 * Not where the read ended: moving data may take a processor's time, and this is another's.
 * With FUA, so that the flush finds nothing to do. It comes all the same, since not every
 * device does as it says.
 */
static void write_piece(struct work_struct *work)
{
	struct piece *piece = container_of(work, struct piece, work);
	unsigned int noio = memalloc_noio_save();
	bool fua = snap_fua_saves_flush(piece->to.bdev);

	piece_io(piece, REQ_OP_WRITE | (fua ? REQ_FUA : 0), &piece->to,
		 piece_written);
	memalloc_noio_restore(noio);
}

/* Any context. */
static void piece_read(unsigned long error, void *context)
{
	struct piece *piece = context;

	if (error)
		piece_ended(piece, true);
	else
		queue_work(piece->copy->wq, &piece->work);
}

static bool has_room(struct snap_merge_copy *copy, sector_t count)
{
	int nr = atomic_read_acquire(&copy->nr_under_way);

	return !nr || (nr < MAX_PIECES && atomic_read(&copy->piece_sectors) + count <=
						  MAX_PIECES_SECTORS);
}

/* Fewer than MAX_PIECES copies are under way. */
static struct piece *free_piece(struct snap_merge_copy *copy)
{
	struct piece *piece = copy->pieces;

	while (smp_load_acquire(&piece->pages))
		piece++;
	return piece;
}

/* Copies the first sectors of the regions, and moves both on. */
static void start_piece(struct snap_merge_copy *copy, struct dm_io_region *from,
			struct dm_io_region *to)
{
	sector_t count = min_t(sector_t, to->count, PIECE_SECTORS);
	struct dm_io_region part = *from;
	struct page_list *pages;
	struct piece *piece;

	wait_event(copy->ended, has_room(copy, count));
	piece = free_piece(copy);
	pages = snap_copy_take_pages(copy->snap->origin, count);
	piece->to = *to;
	piece->to.count = part.count = count;
	if (pages) {
		piece->pages = pages;
		atomic_add(count, &copy->piece_sectors);
		atomic_inc(&copy->nr_under_way);
		piece_io(piece, REQ_OP_READ, &part, piece_read);
	} else {
		start_kcopyd(copy, &part, &piece->to);
	}
	from->sector += count;
	to->sector += count;
	from->count = to->count -= count;
}

/* False: it is another's turn. */
static bool copy_by_pieces(struct snap_merge_copy *copy)
{
	u32 i;

	if (!runs_are_long(copy))
		return false;
	for (i = 0; i < copy->nr_runs; i++) {
		struct dm_io_region from, to;

		if (!destination(copy, i, &to))
			continue;
		from = source(copy, i, &to);
		while (to.count && !atomic_read(&copy->failed)) {
			start_piece(copy, &from, &to);
			cond_resched();
		}
	}
	wait_for_copies(copy, 0);
	return true;
}

/* ---- scattered runs ---------------------------------------------------------- */

/* The chunks of the COW device that the batch lies in. */
static struct snap_run extent_of(const struct snap_merge_copy *copy)
{
	struct snap_run extent = copy->runs[0];
	chunk_t end = extent.new_chunk + extent.nr_chunks;
	u32 i;

	for (i = 1; i < copy->nr_runs; i++) {
		const struct snap_run *run = &copy->runs[i];

		extent.new_chunk = min(extent.new_chunk, run->new_chunk);
		end = max(end, run->new_chunk + run->nr_chunks);
	}
	extent.nr_chunks = end - extent.new_chunk;
	return extent;
}

/*
 * Whether reading the extent at once is worth it: many runs, which fill at least half
 * of it, as those of scattered writes do.
 */
static bool extent_is_dense(const struct snap_merge_copy *copy,
			    const struct snap_run *extent)
{
	u64 nr = 0;
	u32 i;

	if (copy->nr_runs < 2 || extent->nr_chunks > snap_merge_extent_chunks(copy->snap))
		return false;
	for (i = 0; i < copy->nr_runs; i++)
		nr += copy->runs[i].nr_chunks;
	return nr >= extent->nr_chunks / 2;
}

static bool read_extent(struct snap_merge_copy *copy, const struct snap_run *extent,
			struct page_list *pages)
{
	struct snapshot *snap = copy->snap;
	struct dm_io_region from = {
		.bdev = snap_cow_bdev(snap),
		.sector = snap_chunk_to_sector(snap, extent->new_chunk),
		.count = snap_chunk_to_sector(snap, extent->nr_chunks),
	};
	struct dm_io_request request = {
		.bi_opf = REQ_OP_READ,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = pages,
		.client = snap->origin->io,
	};

	return !dm_io(&request, 1, &from, NULL, IOPRIO_DEFAULT);
}

/* Writes run @i from its place in copy->extent. */
static void write_run(struct snap_merge_copy *copy, u32 i)
{
	struct snapshot *snap = copy->snap;
	sector_t offset = snap_chunk_to_sector(snap, copy->runs[i].new_chunk -
							     copy->extent_first);
	struct dm_io_request request = {
		.bi_opf = REQ_OP_WRITE,
		.mem.type = DM_IO_PAGE_LIST,
		.mem.ptr.pl = copy->extent[offset / PAGE_SECTORS],
		.notify.fn = write_done,
		.notify.context = copy,
		.client = snap->origin->io,
	};
	struct dm_io_region to;

	if (!destination(copy, i, &to))
		return;
	atomic_inc(&copy->nr_under_way);
	dm_io(&request, 1, &to, NULL, IOPRIO_DEFAULT);
}

/* Writes what nobody has begun to write, by turns with whoever helps. */
static void write_runs(struct snap_merge_copy *copy)
{
	struct blk_plug plug;
	u32 i, end;

	while (!atomic_read(&copy->failed)) {
		end = atomic_add_return(MAX_COPIES, &copy->next_run);
		i = end - MAX_COPIES;
		if (i >= copy->nr_runs)
			break;
		end = min(end, copy->nr_runs);
		blk_start_plug(&plug);
		for (; i < end; i++)
			write_run(copy, i);
		blk_finish_plug(&plug);
		wait_for_copies(copy, MAX_COPIES);
	}
}

static void help_work(struct work_struct *work)
{
	unsigned int noio = memalloc_noio_save();

	write_runs(container_of(work, struct snap_merge_copy, help));
	memalloc_noio_restore(noio);
}

/* One read of the COW device for the whole batch. False: it is kcopyd's turn. */
static bool copy_through_pages(struct snap_merge_copy *copy)
{
	struct snap_origin *origin = copy->snap->origin;
	struct snap_run extent = extent_of(copy);
	struct page_list *pages, *page;
	u32 n = 0;

	if (!extent_is_dense(copy, &extent))
		return false;
	pages = snap_copy_take_pages(origin, snap_chunk_to_sector(copy->snap,
								  extent.nr_chunks));
	if (!pages)
		return false;
	if (!read_extent(copy, &extent, pages)) {
		/* Perhaps not where the runs are. */
		snap_pages_give(&origin->pages, pages);
		return false;
	}
	for (page = pages; page; page = page->next)
		copy->extent[n++] = page;
	copy->extent_first = extent.new_chunk;
	atomic_set(&copy->next_run, 0);
	/* Where a disk is fast, to start that many writes is more than one processor can do. */
	if (copy->nr_runs > MAX_COPIES)
		queue_work(copy->wq, &copy->help);
	write_runs(copy);
	cancel_work_sync(&copy->help);
	wait_for_copies(copy, 0);
	snap_pages_give(&origin->pages, pages);
	return true;
}

int snap_merge_copy(struct snap_merge_copy *copy, const struct snap_run *runs,
		    u32 nr)
{
	copy->runs = runs;
	copy->nr_runs = nr;
	atomic_set(&copy->failed, 0);
	if (!copy_by_pieces(copy) && !copy_through_pages(copy))
		copy_by_kcopyd(copy);
	if (atomic_read(&copy->failed))
		return -EIO;
	return blkdev_issue_flush(copy->snap->origin_dev->bdev);
}

struct snap_merge_copy *snap_merge_copy_create(struct snapshot *snap)
{
	struct snap_merge_copy *copy = kzalloc(sizeof(*copy), GFP_KERNEL);
	u32 i;

	if (!copy)
		return NULL;
	copy->extent = kvcalloc(EXTENT_PAGES, sizeof(*copy->extent), GFP_KERNEL);
	copy->wq = alloc_ordered_workqueue("snap_merge", WQ_MEM_RECLAIM);
	if (!copy->extent || !copy->wq) {
		snap_merge_copy_destroy(copy);
		return NULL;
	}
	for (i = 0; i < MAX_PIECES; i++) {
		copy->pieces[i].copy = copy;
		INIT_WORK(&copy->pieces[i].work, write_piece);
	}
	INIT_WORK(&copy->help, help_work);
	copy->snap = snap;
	init_waitqueue_head(&copy->ended);
	return copy;
}

void snap_merge_copy_destroy(struct snap_merge_copy *copy)
{
	if (!copy)
		return;
	if (copy->wq)
		destroy_workqueue(copy->wq);
	kvfree(copy->extent);
	kfree(copy);
}
