// SPDX-License-Identifier: GPL-2.0-only
/* Copying pending runs from the origin to COW devices. */
#include <linux/list_sort.h>
#include "copy.h"
#include "origin.h"
#include "pending.h"
#include "snapshot.h"

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

/* kcopyd's thread. Only marks: nothing here may wait. */
static void copy_done(int read_err, unsigned long write_err, void *context)
{
	struct snap_pending *p = context;
	unsigned int i = 0;

	while (p) {
		struct snap_pending *next = p->next_in_job;
		bool failed = read_err || (write_err & BIT(i));

		snap_pending_copied(p, failed ? BLK_STS_IOERR : BLK_STS_OK);
		p = next;
		i++;
	}
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
		if (source_sector(p->next_in_job) != from.sector ||
		    source_count(origin, p->next_in_job) != from.count) {
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

void snap_copy_start(struct snap_origin *origin, struct list_head *runs)
{
	if (list_empty(runs))
		return;
	if (!list_is_singular(runs))
		list_sort(origin, runs, by_source);
	while (!list_empty(runs)) {
		struct snap_pending *p =
			list_first_entry(runs, struct snap_pending, start);

		list_del(&p->start);
		start_job(origin, p, runs);
	}
}
