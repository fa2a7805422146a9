// SPDX-License-Identifier: GPL-2.0-only
/* Pending runs: memory and the tree. */
#include <linux/slab.h>
#include "pending.h"
#include "snapshot.h"

/* How many copies go on when memory is short. */
#define POOL_PENDING 32

static struct kmem_cache *pending_cache;

int snap_pending_init(void)
{
	pending_cache = kmem_cache_create("snapctl_pending",
					  sizeof(struct snap_pending), 0, 0,
					  NULL);
	return pending_cache ? 0 : -ENOMEM;
}

void snap_pending_exit(void)
{
	kmem_cache_destroy(pending_cache);
}

int snap_pending_pool_init(mempool_t *pool)
{
	return mempool_init_slab_pool(pool, POOL_PENDING, pending_cache);
}

struct snap_pending *snap_pending_alloc(struct snapshot *snap)
{
	struct snap_pending *p = mempool_alloc(&snap->pending_pool,
					       GFP_NOWAIT | __GFP_NOWARN);

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->snap = snap;
	return p;
}

void snap_pending_insert(struct snapshot *snap, struct snap_pending *p)
{
	struct rb_node **link = &snap->pending.rb_node;
	struct rb_node *parent = NULL;

	while (*link) {
		struct snap_pending *other =
			rb_entry(*link, struct snap_pending, node);

		parent = *link;
		link = p->run.old_chunk < other->run.old_chunk ?
			       &parent->rb_left :
			       &parent->rb_right;
	}
	rb_link_node(&p->node, parent, link);
	rb_insert_color(&p->node, &snap->pending);
}

struct snap_pending *snap_pending_from(struct snapshot *snap, chunk_t chunk)
{
	struct rb_node *node = snap->pending.rb_node;
	struct snap_pending *found = NULL;

	while (node) {
		struct snap_pending *p = rb_entry(node, struct snap_pending, node);

		if (p->run.old_chunk + p->run.nr_chunks > chunk) {
			found = p;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}
