// SPDX-License-Identifier: GPL-2.0-only
/* The transient exception store: chunks in order, nothing on disk. */
#include <linux/slab.h>
#include "store.h"
#include "snap_format.h"

struct transient_store {
	struct snap_store store;
	chunk_t next_free;
};

static struct transient_store *to_transient(struct snap_store *store)
{
	return container_of(store, struct transient_store, store);
}

static int transient_create(const struct snap_store_params *params,
			    struct snap_store **store, char **error)
{
	struct transient_store *ts;

	if (!params->chunk_sectors) {
		*error = "A transient store needs a chunk size";
		return -EINVAL;
	}
	ts = kzalloc(sizeof(*ts), GFP_KERNEL);
	if (!ts) {
		*error = "Cannot allocate the exception store";
		return -ENOMEM;
	}
	ts->store.type = &snap_store_transient;
	ts->store.bdev = params->bdev;
	snap_store_set_chunk(&ts->store, params->chunk_sectors);
	*store = &ts->store;
	return 0;
}

static void transient_destroy(struct snap_store *store)
{
	kfree(to_transient(store));
}

static u64 transient_nr_chunks(struct snap_store *store)
{
	return bdev_nr_sectors(store->bdev) >> store->chunk_shift;
}

static int transient_load(struct snap_store *store, struct snap_index *index,
			  char **error)
{
	if (!transient_nr_chunks(store)) {
		*error = "COW device is smaller than one chunk";
		return -ENOSPC;
	}
	return SNAP_LOAD_GOOD;
}

static u32 transient_alloc(struct snap_store *store, u32 want, chunk_t *first)
{
	struct transient_store *ts = to_transient(store);
	u64 nr_chunks = transient_nr_chunks(store);
	u32 nr;

	if (ts->next_free >= nr_chunks)
		return 0;
	nr = min_t(u64, want, nr_chunks - ts->next_free);
	*first = ts->next_free;
	ts->next_free += nr;
	return nr;
}

static bool transient_has_room(struct snap_store *store)
{
	return to_transient(store)->next_free < transient_nr_chunks(store);
}

static int transient_commit(struct snap_store *store,
			    const struct snap_run *runs, u32 nr, bool durable,
			    snap_store_done_fn done, void *context)
{
	return 0;
}

static int transient_invalidate(struct snap_store *store)
{
	return 0;
}

static void transient_usage(struct snap_store *store, struct snap_usage *usage)
{
	usage->allocated_sectors = to_transient(store)->next_free
				   << store->chunk_shift;
	usage->total_sectors = bdev_nr_sectors(store->bdev);
	usage->metadata_sectors = 0;
}

const struct snap_store_type snap_store_transient = {
	.name = "N",
	.persistent = false,
	.create = transient_create,
	.destroy = transient_destroy,
	.load = transient_load,
	.alloc = transient_alloc,
	.has_room = transient_has_room,
	.commit = transient_commit,
	.invalidate = transient_invalidate,
	.usage = transient_usage,
};
