// SPDX-License-Identifier: GPL-2.0-only
/* The memory of exception indexes. */
#include <linux/mm.h>
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

/* The table is doubled, so that it is copied seldom. */
static int grow_table(struct snap_build *build, u64 needed)
{
	u64 nr = max3(needed, build->max_nodes * 2, (u64)PAGE_SIZE / sizeof(void *));
	void **table = kvmalloc_array(nr, sizeof(*table),
				      GFP_KERNEL | __GFP_NOWARN);

	if (!table)
		return -ENOMEM;
	kvfree(snap_build_table_set(build, table, nr));
	return 0;
}

int snap_nodes_fill_build(struct snap_build *build,
			  struct snap_index_spare *spare)
{
	u64 needed = snap_build_table_needed(build);
	int r = 0;

	if (needed > build->max_nodes)
		r = grow_table(build, needed);
	return r ? r : snap_nodes_fill(spare, SNAP_BUILD_SPARE);
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

	while ((memory = snap_index_spare_take(spare))) {
		kmem_cache_free(node_cache, memory);
		cond_resched();
	}
}

void snap_nodes_free_index(struct snap_index *index)
{
	void *memory;

	while ((memory = snap_index_dismantle(index))) {
		kmem_cache_free(node_cache, memory);
		cond_resched();
	}
}

void snap_nodes_free_build(struct snap_build *build)
{
	void *memory;

	while ((memory = snap_build_dismantle(build))) {
		kmem_cache_free(node_cache, memory);
		cond_resched();
	}
	kvfree(build->table);
}
