// SPDX-License-Identifier: GPL-2.0-only
/*
 * The persistent exception store, format version 1 (uapi/snap_disk.h): header,
 * allocation, and the list of entries, whose end is a window in memory
 * (store_window.h).
 *
 * The area that the terminator falls into always exists. The allocator sees to it, so
 * that a commit cannot run out of metadata space.
 */
#include <linux/device-mapper.h>
#include <linux/slab.h>
#include "meta_io.h"
#include "snap_area.h"
#include "snap_format.h"
#include "store.h"
#include "store_load.h"
#include "store_window.h"

/* A commit under way. */
struct store_commit {
	const struct snap_run *runs; /* not yet in the window */
	u32 nr_runs;
	u64 chunk; /* of the first of them */
	snap_store_done_fn done;
	void *context;
};

struct persistent_store {
	struct snap_store store;
	struct snap_meta_io io;
	struct store_commit commit;
	struct snap_geometry geo;
	u32 origin_block_bytes;
	u64 origin_sectors;

	/* Allocation: under the caller's lock. */
	chunk_t next_free;
	u64 nr_handed_out; /* entries on disk or on their way */

	/* Owned by commit and merge. */
	struct snap_window window;
	bool merging; /* entries were forgotten: usage is by position */
	u64 nr_entries; /* on disk; one word, so that usage() never sees half */

	u32 block_bytes;
	struct snap_header_disk *header; /* a block of its own, never the window */
};

static struct persistent_store *to_persistent(struct snap_store *store)
{
	return container_of(store, struct persistent_store, store);
}

static int persistent_create(const struct snap_store_params *params,
			     struct snap_store **store, char **error)
{
	struct persistent_store *ps = kzalloc(sizeof(*ps), GFP_KERNEL);

	if (!ps) {
		*error = "Cannot allocate the exception store";
		return -ENOMEM;
	}
	ps->store.type = &snap_store_persistent;
	ps->store.bdev = params->bdev;
	ps->origin_block_bytes = params->origin_block_bytes;
	ps->origin_sectors = params->origin_sectors;
	if (params->chunk_sectors)
		snap_store_set_chunk(&ps->store, params->chunk_sectors);
	ps->window.geo = &ps->geo;
	snap_meta_io_init(&ps->io, params->bdev);
	*store = &ps->store;
	return 0;
}

static void persistent_destroy(struct snap_store *store)
{
	struct persistent_store *ps = to_persistent(store);

	snap_window_exit(&ps->window);
	snap_meta_free(ps->header);
	kfree(ps);
}

static sector_t chunk_sector(struct persistent_store *ps, chunk_t chunk)
{
	return chunk << ps->store.chunk_shift;
}

/* Writes the header block. Durable when it returns, and all before it too. */
static int write_header(struct persistent_store *ps, bool valid)
{
	struct snap_header header = {
		.valid = valid,
		.version = SNAP_DISK_VERSION,
		.chunk_sectors = ps->store.chunk_sectors,
	};

	memset(ps->header, 0, ps->block_bytes);
	snap_header_pack(&header, ps->header);
	return snap_meta_rw(&ps->io, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA, 0,
			    ps->header, ps->block_bytes);
}

/*
 * Settles the chunk size and allocates what depends on it. @chunk_sectors may
 * come from the disk.
 */
static int settle_geometry(struct persistent_store *ps, u32 chunk_sectors,
			   char **error)
{
	u32 lbs = bdev_logical_block_size(ps->store.bdev);
	const char *fault = snap_chunk_sectors_fault(chunk_sectors,
						     ps->origin_block_bytes, lbs);
	u64 chunk_bytes;

	if (fault) {
		*error = (char *)fault;
		return -EINVAL;
	}
	snap_store_set_chunk(&ps->store, chunk_sectors);
	snap_geometry_init(&ps->geo, chunk_sectors,
			   bdev_nr_sectors(ps->store.bdev));
	if (ps->geo.nr_chunks < 2) {
		*error = "COW device is too small: it must hold a header and a metadata area of one chunk each";
		return -ENOSPC;
	}

	chunk_bytes = (u64)chunk_sectors << SECTOR_SHIFT;
	ps->block_bytes = min_t(u64, chunk_bytes, max_t(u32, lbs, 4096));
	if (snap_window_init(&ps->window, ps->store.bdev, &ps->geo,
			     ps->block_bytes)) {
		*error = "Cannot allocate the metadata buffer";
		return -ENOMEM;
	}
	return 0;
}

static int format_store(struct persistent_store *ps, char **error)
{
	u64 rest = ps->store.chunk_sectors - (ps->block_bytes >> SECTOR_SHIFT);
	int r;

	/* The header comes last: a crash before it leaves a fresh device. */
	r = snap_meta_zero(&ps->io, snap_entry_sector(&ps->geo, 0, 0),
			   ps->store.chunk_sectors);
	if (!r)
		r = snap_meta_zero(&ps->io, ps->block_bytes >> SECTOR_SHIFT, rest);
	if (!r)
		r = write_header(ps, true);
	if (r)
		*error = "Cannot write a new exception store to the COW device";
	return r;
}

static void publish_entries(struct persistent_store *ps)
{
	WRITE_ONCE(ps->nr_entries, ps->window.written);
}

static int load_areas(struct persistent_store *ps, struct snap_index *index,
		      char **error)
{
	struct snap_load_areas areas = {
		.bdev = ps->store.bdev,
		.geo = &ps->geo,
		.origin_chunks = DIV_ROUND_UP_ULL(ps->origin_sectors,
						  ps->store.chunk_sectors),
		.piece_entries = ps->window.piece_entries,
		.piece = ps->window.entries,
	};
	int r = snap_load_areas(&areas, index);

	if (r == -EINVAL)
		*error = "Corrupt exception store on the COW device; the kernel log says where";
	else if (r == -ENOMEM)
		*error = "Not enough memory to load the exceptions";
	else if (r)
		*error = "Cannot read the metadata on the COW device";
	if (r)
		return r;

	snap_window_loaded(&ps->window, areas.area, areas.piece_first,
			   areas.used, areas.stale);
	publish_entries(ps);
	ps->next_free = snap_data_chunk_from(&ps->geo, areas.highest + 1);
	ps->nr_handed_out = ps->nr_entries;
	return SNAP_LOAD_GOOD;
}

/* An existing store: its header decides. */
static int load_store(struct persistent_store *ps,
		      const struct snap_header *header,
		      struct snap_index *index, char **error)
{
	int r;

	if (ps->store.chunk_sectors &&
	    ps->store.chunk_sectors != header->chunk_sectors)
		DMWARN("%pg: the store has chunks of %u sectors, the table says %u: using those of the store",
			ps->store.bdev, header->chunk_sectors,
			ps->store.chunk_sectors);
	r = settle_geometry(ps, header->chunk_sectors, error);
	if (r)
		return r;
	if (!header->valid) {
		DMWARN("%pg: the snapshot was invalidated earlier",
			ps->store.bdev);
		return SNAP_LOAD_INVALIDATED;
	}
	return load_areas(ps, index, error);
}

static int load_fresh(struct persistent_store *ps, char **error)
{
	u32 chunk_sectors = ps->store.chunk_sectors;
	int r;

	if (!chunk_sectors)
		chunk_sectors =
			max3((u32)SNAP_DEFAULT_CHUNK_SECTORS,
			     bdev_logical_block_size(ps->store.bdev) >> SECTOR_SHIFT,
			     ps->origin_block_bytes >> SECTOR_SHIFT);
	r = settle_geometry(ps, chunk_sectors, error);
	if (r)
		return r;
	ps->next_free = snap_data_chunk_from(&ps->geo, 1);
	return format_store(ps, error);
}

static int persistent_load(struct snap_store *store, struct snap_index *index,
			   char **error)
{
	struct persistent_store *ps = to_persistent(store);
	u32 lbs = bdev_logical_block_size(store->bdev);
	struct snap_header header;
	int r;

	if (bdev_nr_sectors(store->bdev) < lbs >> SECTOR_SHIFT) {
		*error = "COW device is too small: it must hold a header and a metadata area of one chunk each";
		return -ENOSPC;
	}
	/* Large enough for any block; what is written follows the chunk size. */
	ps->header = snap_meta_alloc(max_t(u32, lbs, 4096));
	if (!ps->header) {
		*error = "Cannot allocate the header buffer";
		return -ENOMEM;
	}
	r = snap_meta_rw(&ps->io, REQ_OP_READ, 0, ps->header, lbs);
	if (r) {
		*error = "Cannot read the header of the COW device";
		return r;
	}

	switch (snap_header_unpack(ps->header, &header)) {
	case SNAP_HEADER_FRESH:
		return load_fresh(ps, error);
	case SNAP_HEADER_STORE:
		return load_store(ps, &header, index, error);
	case SNAP_HEADER_BAD_VERSION:
		DMERR("%pg: exception store of version %u, only version %u is known",
		       store->bdev, header.version, SNAP_DISK_VERSION);
		*error = "Exception store of an unknown version on the COW device";
		return -EINVAL;
	default:
		*error = "COW device holds no exception store: zero its first chunk to make a new one";
		return -ENXIO;
	}
}

/* The device may have grown: its size is always read live. */
static struct snap_geometry live_geometry(struct persistent_store *ps)
{
	struct snap_geometry geo = ps->geo;

	geo.nr_chunks = bdev_nr_sectors(ps->store.bdev) >> ps->store.chunk_shift;
	return geo;
}

static u32 persistent_alloc(struct snap_store *store, u32 want, chunk_t *first)
{
	struct persistent_store *ps = to_persistent(store);
	struct snap_geometry geo = live_geometry(ps);
	u32 nr = snap_area_alloc_run(&geo, &ps->next_free, ps->nr_handed_out,
				     want, first);

	ps->nr_handed_out += nr;
	return nr;
}

static bool persistent_has_room(struct snap_store *store)
{
	struct persistent_store *ps = to_persistent(store);
	struct snap_geometry geo = live_geometry(ps);
	chunk_t next_free = ps->next_free, first;

	return snap_area_alloc_run(&geo, &next_free, ps->nr_handed_out, 1,
				   &first);
}

/* Appends what there is room for. */
static void append(struct persistent_store *ps)
{
	struct store_commit *commit = &ps->commit;

	while (commit->nr_runs) {
		const struct snap_run *run = commit->runs;

		if (!snap_window_append(&ps->window,
					run->old_chunk + commit->chunk,
					run->new_chunk + commit->chunk))
			return;
		if (++commit->chunk == run->nr_chunks) {
			commit->chunk = 0;
			commit->runs++;
			commit->nr_runs--;
		}
	}
}

/* The next window's worth. */
static int commit_step(struct persistent_store *ps)
{
	append(ps);
	return snap_window_write(&ps->window, ps->commit.done,
				 ps->commit.context);
}

static int persistent_commit(struct snap_store *store,
			     const struct snap_run *runs, u32 nr, bool durable,
			     snap_store_done_fn done, void *context)
{
	struct persistent_store *ps = to_persistent(store);
	int r;

	ps->commit = (struct store_commit){
		.runs = runs,
		.nr_runs = nr,
		.done = done,
		.context = context,
	};
	r = snap_window_begin(&ps->window, durable);
	return r ? r : commit_step(ps);
}

static bool persistent_commit_may_sleep(const struct snap_store *store)
{
	const struct persistent_store *ps =
		container_of(store, struct persistent_store, store);

	return snap_window_may_sleep(&ps->window);
}

static int persistent_commit_go_on(struct snap_store *store)
{
	struct persistent_store *ps = to_persistent(store);
	int r = snap_window_go_on(&ps->window);

	if (r)
		return r;
	publish_entries(ps);
	return commit_step(ps);
}

static int persistent_merge_peek(struct snap_store *store,
				 struct snap_run *entries, u32 max)
{
	struct persistent_store *ps = to_persistent(store);
	u32 i, nr;
	int r;

	r = snap_window_back(&ps->window);
	if (r < 0)
		return r;
	if (r) {
		/* Complete, also where chunks were handed out that no entry names. */
		ps->merging = true;
		return 0;
	}
	nr = min(max, snap_window_known(&ps->window));
	for (i = 0; i < nr; i++) {
		u64 at = ps->window.end - nr + i;

		snap_entry_unpack(snap_window_entry(&ps->window, at),
				  &entries[i].old_chunk, &entries[i].new_chunk);
		entries[i].nr_chunks = 1;
	}
	return nr;
}

static int persistent_merge_forget(struct snap_store *store, u32 nr)
{
	struct persistent_store *ps = to_persistent(store);
	int r = snap_window_forget(&ps->window, nr);

	if (r)
		return r;
	ps->merging = true;
	publish_entries(ps);
	ps->nr_handed_out = ps->nr_entries;
	return 0;
}

static void persistent_merge_end(struct snap_store *store, chunk_t highest)
{
	struct persistent_store *ps = to_persistent(store);

	/*
	 * Not by position: a store with holes has data above what the number of its
	 * entries suggests.
	 */
	ps->merging = false;
	ps->next_free = snap_data_chunk_from(&ps->geo, highest + 1);
}

static int persistent_invalidate(struct snap_store *store)
{
	return write_header(to_persistent(store), false);
}

static void persistent_usage(struct snap_store *store, struct snap_usage *usage)
{
	struct persistent_store *ps = to_persistent(store);
	u64 nr_entries = READ_ONCE(ps->nr_entries);
	chunk_t next_free = ps->next_free;
	u64 area;

	memset(usage, 0, sizeof(*usage));
	usage->total_sectors = bdev_nr_sectors(store->bdev);
	if (!ps->geo.entries_per_area)
		return;
	area = nr_entries / ps->geo.entries_per_area;
	if (ps->merging)
		next_free = snap_area_next_free(&ps->geo, area,
						nr_entries % ps->geo.entries_per_area);
	usage->allocated_sectors = chunk_sector(ps, next_free);
	usage->metadata_sectors = chunk_sector(ps, area + 2);
}

const struct snap_store_type snap_store_persistent = {
	.name = "P",
	.persistent = true,
	.create = persistent_create,
	.destroy = persistent_destroy,
	.load = persistent_load,
	.alloc = persistent_alloc,
	.has_room = persistent_has_room,
	.commit = persistent_commit,
	.commit_go_on = persistent_commit_go_on,
	.commit_may_sleep = persistent_commit_may_sleep,
	.merge_peek = persistent_merge_peek,
	.merge_forget = persistent_merge_forget,
	.merge_end = persistent_merge_end,
	.invalidate = persistent_invalidate,
	.usage = persistent_usage,
};
