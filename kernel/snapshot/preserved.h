/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known to be preserved: a bit for each 4 KiB of an origin, set once a look
 * into all its snapshots has found it there. So a write to what is preserved costs the
 * same whatever the snapshots are: how many, and how large their indexes.
 *
 * Only a hint: a bit that is not set means nothing. That bits need not be taken back,
 * see "What is known to be preserved" in docs/design.md.
 */
#ifndef SNAP_PRESERVED_H
#define SNAP_PRESERVED_H

#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct snap_preserved {
	struct xarray pages; /* of bits, as far as the origin was written */
	struct rcu_work free;
};

/* For the module. Sleep; the second waits for all that is being freed. */
int snap_preserved_init(void);
void snap_preserved_exit(void);

/* An empty one; does not wait for memory. NULL: there is none, and nothing is known. */
struct snap_preserved *snap_preserved_create(void);

/* After a grace period. @map may be NULL. */
void snap_preserved_free_rcu(struct snap_preserved *map);

/* All of the range is known to be preserved. @map may be NULL; under RCU. */
bool snap_preserved_has(struct snap_preserved *map, sector_t sector,
			sector_t nr_sectors);

/*
 * The range is preserved in all snapshots that were on the origin's list when @map was
 * read; as much is noted as there is memory for without waiting. @map may be NULL;
 * under RCU, from before that look on.
 */
void snap_preserved_add(struct snap_preserved *map, sector_t sector,
			sector_t nr_sectors);

#endif
