/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The merge of a snapshot into its origin. See "Life of a merge" in
 * docs/design.md.
 */
#ifndef SNAP_MERGE_WORK_H
#define SNAP_MERGE_WORK_H

#include <linux/types.h>
#include "snap_types.h"

struct bio;
struct snapshot;
struct snap_merge;

/* Why a merge stands still. */
enum snap_merge_hold {
	SNAP_MERGE_HOLD_SUSPENDED, /* set from the start, until resume */
	SNAP_MERGE_HOLD_QUIET,	   /* the device is being stopped for a switch */
	SNAP_MERGE_HOLD_SWITCH,	   /* another snapshot is being resumed */
	SNAP_MERGE_HOLD_PAUSED,	   /* a message said so */
};

struct snap_merge *snap_merge_create(struct snapshot *snap);
/* The merge is held. */
void snap_merge_destroy(struct snap_merge *merge);

/* Stops between two batches, and returns when it has stopped. Sleeps. */
void snap_merge_hold(struct snap_merge *merge, enum snap_merge_hold why);
/* Goes on when no other reason is left. */
void snap_merge_release(struct snap_merge *merge, enum snap_merge_hold why);

/*
 * Messages. pause() returns at once; the event says when the merge stands still. A rate
 * of 0 is none.
 */
void snap_merge_pause(struct snap_merge *merge);
void snap_merge_unpause(struct snap_merge *merge);
void snap_merge_set_rate(struct snap_merge *merge, u64 kib_per_second);
u64 snap_merge_rate(const struct snap_merge *merge);
/* SNAP_GENL_F_MERGE_*. */
u32 snap_merge_flags(const struct snap_merge *merge);

bool snap_merge_failed(const struct snap_merge *merge);
/* Chunks that neither device is known to own: a clear failed. */
bool snap_merge_has_limbo(const struct snap_merge *merge);

/* Both are held. @to goes on where @from was, as fast, or as paused. */
void snap_merge_take_over(struct snap_merge *to, struct snap_merge *from);

/* What a write to a mapped chunk must do. */
enum snap_merge_verdict {
	SNAP_MERGE_WRITE_COW, /* to the COW device, up to *@end (exclusive) */
	SNAP_MERGE_WAIT,      /* the chunk is being merged: snap_merge_queue() */
	SNAP_MERGE_LIMBO,     /* must fail */
};

/* The caller holds snap->lock. */
enum snap_merge_verdict snap_merge_ask(const struct snap_merge *merge,
				       chunk_t chunk, chunk_t *end);
/* The caller holds snap->lock exclusively, and asked under it. */
void snap_merge_queue(struct snap_merge *merge, struct bio *bio);

/* merge_target.c: a bio that waited for a batch starts again. */
void snap_merge_resubmit(struct snapshot *snap, struct bio *bio);

#endif
