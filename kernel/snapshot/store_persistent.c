// SPDX-License-Identifier: GPL-2.0-only
/*
 * The persistent exception store, format version 1 (uapi/snap_disk.h).
 *
 * Only a window of the current area is in memory: the entries from
 * window_first on, up to SNAP_META_BYTES. Entries are appended in it, and only
 * the blocks that changed are written. Three facts hold whenever no commit is
 * under way:
 *
 *  - memory behind the last entry is zero;
 *  - unless @stale, the disk behind the last entry is zero, up to the end of the
 *    area;
 *  - the area that the terminator falls into exists. The allocator sees to it, so
 *    that a commit cannot run out of metadata space.
 *
 * Why a short write is as good as the whole area: see "What a crash leaves" in
 * docs/design.md.
 */
#include <linux/device-mapper.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "meta_io.h"
#include "snap_area.h"
#include "snap_format.h"
#include "store.h"
#include "store_load.h"

/* A commit under way. */
struct store_commit {
	const struct snap_run *runs; /* not yet in the window */
	u32 nr_runs;
	u64 chunk; /* of the first of them */
	u64 zeroing; /* the area that is zeroed beside it, 0: none */
	atomic_t nr_ios;
	snap_store_done_fn done;
	void *context;
};

struct persistent_store {
	struct snap_store store;
	struct snap_meta_io io;
	struct snap_meta_io zero_io;
	struct store_commit commit;
	struct snap_geometry geo;
	u32 origin_block_bytes;
	u64 origin_sectors;

	/* Allocation: under the caller's lock. */
	chunk_t next_free;
	u64 nr_handed_out; /* entries on disk or on their way */

	/* The end of the list, owned by commit and merge. */
	u64 area;
	u32 used;     /* entries in the area */
	u32 written;  /* of these, how many are on disk */
	bool stale;   /* something behind the last entry is not zero on disk */
	u64 zeroed_area; /* this one, behind @area, is zero on disk; 0: none */
	bool merging; /* entries were forgotten: usage is by position */
	u64 nr_entries; /* on disk; one word, so that usage() never sees half */

	u32 block_bytes;
	u32 window_first;
	u32 window_entries;
	struct snap_entry_disk *window;
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
	snap_meta_io_init(&ps->io, params->bdev);
	snap_meta_io_init(&ps->zero_io, params->bdev);
	*store = &ps->store;
	return 0;
}

static void persistent_destroy(struct snap_store *store)
{
	struct persistent_store *ps = to_persistent(store);

	snap_meta_free(ps->window);
	snap_meta_free(ps->header);
	kfree(ps);
}

static sector_t chunk_sector(struct persistent_store *ps, chunk_t chunk)
{
	return chunk << ps->store.chunk_shift;
}

/* The sector of entry @entry of area @area; entries are 16 bytes. */
static sector_t entry_sector(struct persistent_store *ps, u64 area, u32 entry)
{
	return chunk_sector(ps, snap_area_chunk(&ps->geo, area)) +
	       (entry >> (SECTOR_SHIFT - 4));
}

static int zero_area(struct persistent_store *ps, u64 area)
{
	return snap_meta_zero(&ps->io, entry_sector(ps, area, 0),
			      ps->store.chunk_sectors);
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
	ps->window_entries = min_t(u64, chunk_bytes, SNAP_META_BYTES) /
			     SNAP_ENTRY_BYTES;
	ps->window = snap_meta_alloc(ps->window_entries * SNAP_ENTRY_BYTES);
	if (!ps->window) {
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
	r = zero_area(ps, 0);
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
	WRITE_ONCE(ps->nr_entries,
		   ps->area * ps->geo.entries_per_area + ps->used);
}

static int load_areas(struct persistent_store *ps, struct snap_index *index,
		      char **error)
{
	struct snap_load_areas areas = {
		.bdev = ps->store.bdev,
		.geo = &ps->geo,
		.origin_chunks = DIV_ROUND_UP_ULL(ps->origin_sectors,
						  ps->store.chunk_sectors),
		.window_entries = ps->window_entries,
		.window = ps->window,
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

	ps->area = areas.area;
	ps->window_first = areas.window_first;
	ps->used = areas.used;
	ps->written = areas.used;
	ps->stale = areas.stale;
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

/*
 * Before the first commit after a load that found stale entries: zeroes behind
 * the last entry, so that no new entry connects to them. Made durable by the
 * preflush of the commit that follows.
 */
static int scrub(struct persistent_store *ps)
{
	u32 per_block = ps->block_bytes / SNAP_ENTRY_BYTES;
	u32 first = round_down(ps->used, per_block);
	u32 clean = min(first + per_block, ps->geo.entries_per_area);
	int r;

	/* The block of the last entry: as it is in memory, zero behind. */
	r = snap_meta_rw(&ps->io, REQ_OP_WRITE,
			 entry_sector(ps, ps->area, first),
			 &ps->window[first - ps->window_first], ps->block_bytes);
	if (!r)
		r = snap_meta_zero(&ps->io, entry_sector(ps, ps->area, clean),
				   (u64)(ps->geo.entries_per_area - clean) >>
					   (SECTOR_SHIFT - 4));
	if (!r)
		ps->stale = false;
	return r;
}

/* Where the blocks of the window are that hold the entries [first, last]. */
struct window_blocks {
	sector_t sector;
	void *data;
	u32 bytes;
};

static struct window_blocks blocks_of(struct persistent_store *ps, u32 first,
				      u32 last)
{
	u32 per_block = ps->block_bytes / SNAP_ENTRY_BYTES;
	u32 from = round_down(first, per_block);
	u32 to = round_down(last, per_block) + per_block;

	return (struct window_blocks){
		.sector = entry_sector(ps, ps->area, from),
		.data = &ps->window[from - ps->window_first],
		.bytes = (to - from) * SNAP_ENTRY_BYTES,
	};
}

/* Moves a full window on, to where the next entry goes. */
static void window_forward(struct persistent_store *ps)
{
	u32 window_end = ps->window_first + ps->window_entries;

	if (ps->used != window_end)
		return;
	memset(ps->window, 0, ps->window_entries * SNAP_ENTRY_BYTES);
	ps->window_first = window_end;
	if (ps->used == ps->geo.entries_per_area) {
		ps->window_first = 0;
		ps->used = 0;
		ps->written = 0;
		ps->area++;
	}
}

static void io_done(struct bio *bio)
{
	struct persistent_store *ps = bio->bi_private;
	snap_store_done_fn done = ps->commit.done;
	void *context = ps->commit.context;

	if (atomic_dec_and_test(&ps->commit.nr_ios))
		done(context);
}

/*
 * The area that is to be zeroed beside the write of entries that comes now, so that
 * no commit has to do it first; 0: none. Not where an area is more than one small
 * write. If it is never needed, nobody looks there.
 */
static u64 area_to_zero_ahead(struct persistent_store *ps)
{
	struct snap_geometry geo = live_geometry(ps);
	bool fills = ps->used == ps->geo.entries_per_area;
	u64 area = ps->area + (fills ? 2 : 1);

	if (ps->zeroed_area == area ||
	    ps->geo.entries_per_area > ps->window_entries ||
	    snap_area_chunk(&geo, area) >= geo.nr_chunks)
		return 0;
	return area;
}

/* Starts to write what was appended. */
static void write_window(struct persistent_store *ps)
{
	struct window_blocks blocks = blocks_of(ps, ps->written, ps->used - 1);
	u64 ahead = area_to_zero_ahead(ps);

	ps->commit.zeroing = ahead;
	atomic_set(&ps->commit.nr_ios, ahead ? 2 : 1);
	snap_meta_start(&ps->io, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA,
			blocks.sector, blocks.data, blocks.bytes, io_done, ps);
	/* Second, so that a device that works at once does the flush meanwhile. */
	if (ahead)
		snap_meta_zero_start(&ps->zero_io, entry_sector(ps, ahead, 0),
				     ps->store.chunk_sectors, io_done, ps);
}

/* True while the window has room and there is something to append. */
static bool append_one(struct persistent_store *ps)
{
	struct store_commit *commit = &ps->commit;
	const struct snap_run *run = commit->runs;

	if (!commit->nr_runs ||
	    ps->used == ps->window_first + ps->window_entries)
		return false;
	snap_entry_pack(run->old_chunk + commit->chunk,
			run->new_chunk + commit->chunk,
			&ps->window[ps->used - ps->window_first]);
	ps->used++;
	if (++commit->chunk == run->nr_chunks) {
		commit->chunk = 0;
		commit->runs++;
		commit->nr_runs--;
	}
	return true;
}

/* The next window's worth. */
static int commit_step(struct persistent_store *ps)
{
	int r;

	while (append_one(ps))
		;
	if (ps->written == ps->used)
		return 0;
	if (ps->used == ps->geo.entries_per_area &&
	    ps->zeroed_area != ps->area + 1) {
		/* A reader must find a terminator in the next area. */
		r = zero_area(ps, ps->area + 1);
		if (r)
			return r;
	}
	write_window(ps);
	return SNAP_COMMIT_GOES_ON;
}

static int persistent_commit(struct snap_store *store,
			     const struct snap_run *runs, u32 nr,
			     snap_store_done_fn done, void *context)
{
	struct persistent_store *ps = to_persistent(store);
	int r;

	ps->commit.runs = runs;
	ps->commit.nr_runs = nr;
	ps->commit.chunk = 0;
	ps->commit.done = done;
	ps->commit.context = context;
	/* A merge may have left the window at the end of a full area. */
	window_forward(ps);
	if (ps->stale) {
		r = scrub(ps);
		if (r)
			return r;
	}
	return commit_step(ps);
}

/*
 * The next step appends to the window, or to the one behind it. The last window of an
 * area may fill it, and then the next area has to be zero.
 */
static bool persistent_commit_may_sleep(const struct snap_store *store)
{
	const struct persistent_store *ps =
		container_of(store, struct persistent_store, store);
	u64 zeroed = ps->commit.zeroing ?: ps->zeroed_area;
	u32 end = ps->window_first + ps->window_entries;
	u64 area = ps->area;

	if (ps->used == end && end == ps->geo.entries_per_area) {
		area++;
		end = ps->window_entries;
	} else if (ps->used == end) {
		end += ps->window_entries;
	}
	return ps->stale ||
	       (end == ps->geo.entries_per_area && zeroed != area + 1);
}

static int persistent_commit_go_on(struct snap_store *store)
{
	struct persistent_store *ps = to_persistent(store);
	int r;

	if (ps->commit.zeroing && !snap_meta_result(&ps->zero_io))
		ps->zeroed_area = ps->commit.zeroing;
	ps->commit.zeroing = 0;
	r = snap_meta_result(&ps->io);
	if (r)
		return r;
	ps->written = ps->used;
	publish_entries(ps);
	window_forward(ps);
	return commit_step(ps);
}

/* Moves the window back, to where the last entry is. 1: there is none. */
static int window_back(struct persistent_store *ps)
{
	u64 area = ps->area;
	u32 used = ps->used;
	u32 first;
	int r;

	if (!used) {
		if (!area)
			return 1;
		area--;
		used = ps->geo.entries_per_area;
	} else if (used > ps->window_first) {
		return 0;
	}
	first = used - ps->window_entries;
	r = snap_meta_rw(&ps->io, REQ_OP_READ, entry_sector(ps, area, first),
			 ps->window, ps->window_entries * SNAP_ENTRY_BYTES);
	if (r) {
		/* An empty window at the same place, as before; read again next time. */
		memset(ps->window, 0, ps->window_entries * SNAP_ENTRY_BYTES);
		return r;
	}
	ps->area = area;
	ps->used = used;
	ps->written = used;
	ps->window_first = first;
	ps->zeroed_area = 0;
	return 0;
}

static int persistent_merge_peek(struct snap_store *store,
				 struct snap_run *entries, u32 max)
{
	struct persistent_store *ps = to_persistent(store);
	u32 i, nr;
	int r;

	r = window_back(ps);
	if (r < 0)
		return r;
	if (r) {
		/* Complete, also where chunks were handed out that no entry names. */
		ps->merging = true;
		return 0;
	}
	nr = min(max, ps->used - ps->window_first);
	for (i = 0; i < nr; i++) {
		u32 at = ps->used - nr + i - ps->window_first;

		snap_entry_unpack(&ps->window[at], &entries[i].old_chunk,
				  &entries[i].new_chunk);
		entries[i].nr_chunks = 1;
	}
	return nr;
}

static int persistent_merge_forget(struct snap_store *store, u32 nr)
{
	struct persistent_store *ps = to_persistent(store);
	u32 left = ps->used - nr;
	struct window_blocks blocks;
	int r;

	memset(&ps->window[left - ps->window_first], 0, nr * SNAP_ENTRY_BYTES);
	blocks = blocks_of(ps, left, ps->used - 1);
	r = snap_meta_rw(&ps->io, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA,
			 blocks.sector, blocks.data, blocks.bytes);
	if (r)
		return r;
	ps->used = left;
	ps->written = left;
	ps->zeroed_area = 0;
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
