// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a batch of a merge gets from the COW device to the origin.
 */
#include <linux/blkdev.h>
#include <linux/dm-io.h>
#include <linux/dm-kcopyd.h>
#include <linux/ioprio.h>
#include <linux/slab.h>
#include "copy.h"
#include "merge_copy.h"
#include "origin.h"
#include "snapshot.h"

/* Copies under way at once; each may be a run of many chunks. */
#define MAX_COPIES 64
/* What is read at once for a batch of scattered chunks. */
#define EXTENT_PAGES ((2U << 20) >> PAGE_SHIFT)

struct snap_merge_copy {
	struct snapshot *snap;
	struct page_list **extent; /* the pages of what was read for a batch */

	/* Of the batch under way. */
	const struct snap_run *runs;
	u32 nr_runs;
	atomic_t nr_under_way;
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
	wait_event(copy->ended, atomic_read(&copy->nr_under_way) <= nr);
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

static void copy_by_kcopyd(struct snap_merge_copy *copy)
{
	struct snapshot *snap = copy->snap;
	u32 i;

	for (i = 0; i < copy->nr_runs; i++) {
		struct dm_io_region from = {
			.bdev = snap_cow_bdev(snap),
			.sector = snap_chunk_to_sector(snap,
						       copy->runs[i].new_chunk),
		};
		struct dm_io_region to;

		if (!destination(copy, i, &to))
			continue;
		from.count = to.count;
		wait_for_copies(copy, MAX_COPIES - 1);
		if (atomic_read(&copy->failed))
			break;
		atomic_inc(&copy->nr_under_way);
		dm_kcopyd_copy(snap->origin->kcopyd, &from, 1, &to, 0,
			       kcopyd_done, copy);
	}
	wait_for_copies(copy, 0);
}

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
static void write_run(struct snap_merge_copy *copy, u32 i, chunk_t extent_first)
{
	struct snapshot *snap = copy->snap;
	sector_t offset = snap_chunk_to_sector(snap, copy->runs[i].new_chunk -
							     extent_first);
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

/* One read of the COW device for the whole batch. False: it is kcopyd's turn. */
static bool copy_through_pages(struct snap_merge_copy *copy)
{
	struct snap_origin *origin = copy->snap->origin;
	struct snap_run extent = extent_of(copy);
	struct page_list *pages, *page;
	struct blk_plug plug;
	u32 i, n = 0;

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
	for (i = 0; i < copy->nr_runs && !atomic_read(&copy->failed);) {
		u32 end = min(copy->nr_runs, i + MAX_COPIES);

		blk_start_plug(&plug);
		for (; i < end; i++)
			write_run(copy, i, extent.new_chunk);
		blk_finish_plug(&plug);
		wait_for_copies(copy, 0);
	}
	snap_pages_give(&origin->pages, pages);
	return true;
}

int snap_merge_copy(struct snap_merge_copy *copy, const struct snap_run *runs,
		    u32 nr)
{
	copy->runs = runs;
	copy->nr_runs = nr;
	atomic_set(&copy->failed, 0);
	if (!copy_through_pages(copy))
		copy_by_kcopyd(copy);
	if (atomic_read(&copy->failed))
		return -EIO;
	return blkdev_issue_flush(copy->snap->origin_dev->bdev);
}

struct snap_merge_copy *snap_merge_copy_create(struct snapshot *snap)
{
	struct snap_merge_copy *copy = kzalloc(sizeof(*copy), GFP_KERNEL);

	if (!copy)
		return NULL;
	copy->extent = kvcalloc(EXTENT_PAGES, sizeof(*copy->extent), GFP_KERNEL);
	if (!copy->extent) {
		kfree(copy);
		return NULL;
	}
	copy->snap = snap;
	init_waitqueue_head(&copy->ended);
	return copy;
}

void snap_merge_copy_destroy(struct snap_merge_copy *copy)
{
	if (!copy)
		return;
	kvfree(copy->extent);
	kfree(copy);
}
