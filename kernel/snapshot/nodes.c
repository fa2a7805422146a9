// SPDX-License-Identifier: GPL-2.0-only
/* The memory of exception indexes. */
#include <linux/sched.h>
#include <linux/slab.h>
#include "nodes.h"

/* Enough for the deepest path of two inserts. */
#define POOL_NODES 16

static struct kmem_cache *node_cache;

int snap_nodes_init(void)
{
	node_cache = kmem_cache_create("snapctl_index_node",
				       SNAP_INDEX_NODE_BYTES, 8, 0, NULL);
	return node_cache ? 0 : -ENOMEM;
}

void snap_nodes_exit(void)
{
	kmem_cache_destroy(node_cache);
}

int snap_nodes_pool_init(mempool_t *pool)
{
	return mempool_init_slab_pool(pool, POOL_NODES, node_cache);
}

int snap_nodes_fill(struct snap_index_spare *spare, u32 nr)
{
	while (spare->nr < nr) {
		void *memory = kmem_cache_alloc(node_cache, GFP_KERNEL);

		if (!memory)
			return -ENOMEM;
		snap_index_spare_put(spare, memory);
	}
	return 0;
}

void snap_nodes_fill_pool(struct snap_index_spare *spare, u32 nr,
			  mempool_t *pool)
{
	while (spare->nr < nr)
		snap_index_spare_put(spare, mempool_alloc(pool, GFP_NOIO));
}

void snap_nodes_trim(struct snap_index_spare *spare, u32 nr, mempool_t *pool)
{
	while (spare->nr > nr)
		mempool_free(snap_index_spare_take(spare), pool);
}

void snap_nodes_drain(struct snap_index_spare *spare)
{
	void *memory;

	while ((memory = snap_index_spare_take(spare)))
		kmem_cache_free(node_cache, memory);
}

void snap_nodes_free_index(struct snap_index *index)
{
	void *memory;

	while ((memory = snap_index_dismantle(index))) {
		kmem_cache_free(node_cache, memory);
		cond_resched();
	}
}
