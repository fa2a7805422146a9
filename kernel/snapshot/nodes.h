/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of exception indexes: one slab for all of them, and the glue between
 * it and the spare stacks of core/snap_index.h.
 */
#ifndef SNAP_NODES_H
#define SNAP_NODES_H

#include <linux/mempool.h>
#include "snap_build.h"
#include "snap_index.h"

int snap_nodes_init(void);
void snap_nodes_exit(void);

/* A pool for the I/O path, so that an insert there never fails. 0, -ENOMEM. */
int snap_nodes_pool_init(mempool_t *pool);

/* Fills @spare up to @nr nodes. May sleep and fail: for loading. 0, -ENOMEM. */
int snap_nodes_fill(struct snap_index_spare *spare, u32 nr);

/*
 * What the next snap_build_add() or snap_build_step() needs, in @spare and in the
 * builder's table. May sleep and fail. 0, -ENOMEM.
 */
int snap_nodes_fill_build(struct snap_build *build,
			  struct snap_index_spare *spare);

/* The same as snap_nodes_fill() from @pool, without failing; GFP_NOIO, may sleep. */
void snap_nodes_fill_pool(struct snap_index_spare *spare, u32 nr,
			  mempool_t *pool);

/* Gives what a spare holds beyond @nr back to @pool: removals collect nodes. */
void snap_nodes_trim(struct snap_index_spare *spare, u32 nr, mempool_t *pool);

/* Frees what is in a spare, all nodes of an index. May sleep. */
void snap_nodes_drain(struct snap_index_spare *spare);
void snap_nodes_free_index(struct snap_index *index);

/* Frees what a builder holds, whether it is done or was given up. May sleep. */
void snap_nodes_free_build(struct snap_build *build);

#endif
