/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pending runs: runs whose data is on its way to the COW device, or is there but
 * not yet usable. See "Life of an origin write" in docs/design.md.
 *
 * Life of a record: made under snap->lock (in the tree and the fifo) → its copy
 * runs → copied (set once, from any context) → taken off the fifo by the
 * worker → committed and in the index → drained → freed. It is in progress from
 * the moment it exists; nobody keeps one while waiting for another.
 */
#ifndef SNAP_PENDING_H
#define SNAP_PENDING_H

#include <linux/bio.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/rbtree.h>
#include "snap_types.h"
#include "waiting.h"

struct snapshot;

struct snap_pending {
	struct snapshot *snap;
	struct snap_run run;
	struct rb_node node;   /* snap->pending */
	struct list_head list; /* snap->fifo, then a batch, then draining */

	/* While it is being started. */
	struct list_head start;
	struct snap_pending *next_in_job;

	/*
	 * In the next job of the group, the run of the same snapshot: the chain is a part.
	 * The pages of the first in the chain are those of all.
	 */
	struct snap_pending *next_job;
	sector_t copy_sectors;
	struct page_list *pages;

	/*
	 * The result: fields first, then copied with release semantics; the worker
	 * reads copied with acquire semantics.
	 */
	blk_status_t status;
	bool durable; /* the write had FUA: no flush is needed for it */
	bool copied;

	/* The user's bio that is the copy itself, or NULL. */
	struct bio *full_bio;

	u64 began_ns;
	bool own_write; /* full_bio, which is ended before the run is */
	bool shared;	/* read for other snapshots too */

	/* Under snap->lock. */
	struct snap_waiting origin_bios; /* look again when this run is finished */
	struct snap_waiting snap_bios;	 /* writes to the snapshot, inside this run */
};

int snap_pending_init(void);
void snap_pending_exit(void);
int snap_pending_pool_init(mempool_t *pool);

/* Does not sleep. NULL: the pool is empty, so runs are in progress. */
struct snap_pending *snap_pending_alloc(struct snapshot *snap);

/* All below: the caller holds snap->lock (shared is enough for looking). */
void snap_pending_insert(struct snapshot *snap, struct snap_pending *p);

/* The first pending run that ends behind @chunk, or NULL. */
struct snap_pending *snap_pending_from(struct snapshot *snap, chunk_t chunk);

#endif
