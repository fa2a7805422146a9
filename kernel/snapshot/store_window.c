// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a persistent store's list of entries. Only blocks that changed are
 * written; why that is as good as whole areas: see "What a crash leaves" in
 * docs/design.md.
 */
#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/slab.h>
#include "store_window.h"

/* So many areas, at most, are written at once. */
#define MAX_PIECES 8

int snap_window_init(struct snap_window *window, struct block_device *bdev,
		     const struct snap_geometry *geo, u32 block_bytes)
{
	u32 most, i;

	window->bdev = bdev;
	window->geo = geo;
	window->block_entries = block_bytes / SNAP_ENTRY_BYTES;
	window->piece_entries = min_t(u32, geo->entries_per_area,
				      SNAP_META_BYTES / SNAP_ENTRY_BYTES);
	window->nr_entries = min_t(u64, (u64)window->piece_entries * MAX_PIECES,
				   SNAP_META_BYTES / SNAP_ENTRY_BYTES);
	most = window->nr_entries / window->piece_entries;
	window->entries = snap_meta_alloc(window->nr_entries * SNAP_ENTRY_BYTES);
	window->ios = kvcalloc(most, sizeof(*window->ios), GFP_KERNEL);
	window->zero_ios = kvcalloc(most, sizeof(*window->zero_ios),
				    GFP_KERNEL);
	if (!window->entries || !window->ios || !window->zero_ios)
		return -ENOMEM;
	for (i = 0; i < most; i++) {
		snap_meta_io_init(&window->ios[i], bdev);
		snap_meta_io_init(&window->zero_ios[i], bdev);
	}
	return 0;
}

void snap_window_exit(struct snap_window *window)
{
	kvfree(window->zero_ios);
	kvfree(window->ios);
	snap_meta_free(window->entries);
}

/* Empties the window and moves it to where the piece at @position is. */
static void move(struct snap_window *window, u64 position)
{
	memset(window->entries, 0, window->nr_entries * SNAP_ENTRY_BYTES);
	window->first = round_down(position, window->nr_entries);
	window->known_from = position;
}

void snap_window_loaded(struct snap_window *window, u64 area, u32 piece_first,
			u32 used, bool stale)
{
	size_t bytes = window->piece_entries * SNAP_ENTRY_BYTES;
	u64 position = area * window->geo->entries_per_area + piece_first;
	struct snap_entry_disk *place;

	window->first = round_down(position, window->nr_entries);
	window->known_from = position;
	window->end = position + used - piece_first;
	window->written = window->end;
	window->stale = stale;
	/*
	 * Whoever wrote it may not have waited for it, and what is in the list is believed
	 * from now on: the origin is written. A device that cannot flush can still be read.
	 */
	window->unflushed = blkdev_issue_flush(window->bdev) != 0;
	if (window->unflushed)
		DMWARN("%pg: the COW device cannot be flushed: what was written to it last may be lost when the power fails",
		       window->bdev);
	place = snap_window_entry(window, position);
	if (place != window->entries) {
		memcpy(place, window->entries, bytes);
		memset(window->entries, 0, bytes);
	}
}

static u64 area_of(const struct snap_window *window, u64 position)
{
	return position / window->geo->entries_per_area;
}

static sector_t entry_sector(const struct snap_window *window, u64 position)
{
	return snap_entry_sector(window->geo, area_of(window, position),
				 position % window->geo->entries_per_area);
}

/* An area is more than one window. */
static bool areas_are_large(const struct snap_window *window)
{
	return window->geo->entries_per_area > window->nr_entries;
}

static void io_done(struct bio *bio)
{
	struct snap_window *window = bio->bi_private;
	snap_store_done_fn done = window->done;
	void *context = window->context;

	if (atomic_dec_and_test(&window->nr_ios))
		done(context);
}

/* The pieces that the positions [@first, @end) touch. */
static u32 nr_pieces(const struct snap_window *window, u64 first, u64 end)
{
	u32 piece = window->piece_entries;

	return (round_up(end, piece) - round_down(first, piece)) / piece;
}

/* Starts to write the blocks that hold the positions [@first, @end). */
static void start_writes(struct snap_window *window, u64 first, u64 end,
			 blk_opf_t opf)
{
	u32 block = window->block_entries, nr = 0;

	while (first < end) {
		u64 next = min(end, round_down(first, window->piece_entries) +
					    window->piece_entries);
		u64 from = round_down(first, block);
		u64 to = round_up(next, block);

		snap_meta_start(&window->ios[nr++], REQ_OP_WRITE | opf,
				entry_sector(window, from),
				snap_window_entry(window, from),
				(to - from) * SNAP_ENTRY_BYTES, io_done, window);
		first = next;
	}
}

static void start_zeroes(struct snap_window *window, u64 first_area)
{
	blk_opf_t opf = 0;
	u32 i;

	/* Without it, the next entries have to wait for a flush. */
	window->zero_with_fua = snap_fua_saves_flush(window->bdev);
	if (window->zero_with_fua)
		opf = REQ_FUA;
	for (i = 0; i < window->nr_zeroing; i++)
		snap_meta_zero_start(&window->zero_ios[i], opf,
				     snap_entry_sector(window->geo, first_area + i, 0),
				     window->geo->chunk_sectors, io_done, window);
}

/* Of the I/O that has ended; every result is taken. */
static int result_of(struct snap_meta_io *ios, u32 nr)
{
	int r = 0;
	u32 i;

	for (i = 0; i < nr; i++) {
		int one = snap_meta_result(&ios[i]);

		r = r ?: one;
	}
	return r;
}

/* What start_zeroes() started has ended. 0; -errno: no more areas are zero. */
static int end_zeroes(struct snap_window *window)
{
	int r = result_of(window->zero_ios, window->nr_zeroing);

	if (window->nr_zeroing && !window->zero_with_fua)
		window->unflushed = true;
	if (!r)
		window->zeroed_area = window->zeroing_to;
	return r;
}

/*
 * Areas that are zeroed beside the entries, so that no commit has to do it first: as
 * many as this one fills, as the next may fill as many. If they are never needed,
 * nobody looks there. Not where an area is more than one small write.
 */
static u32 nr_to_zero_ahead(const struct snap_window *window, u64 first_area)
{
	u64 last = area_of(window, window->end) +
		   nr_pieces(window, window->written, window->end);
	struct snap_geometry live = *window->geo;
	u32 nr = 0;

	if (areas_are_large(window))
		return 0;
	live.nr_chunks = bdev_nr_sectors(window->bdev) / live.chunk_sectors;
	while (first_area + nr <= last &&
	       nr < window->nr_entries / window->piece_entries &&
	       snap_area_chunk(&live, first_area + nr) < live.nr_chunks)
		nr++;
	return nr;
}

static void write_entries(struct snap_window *window, blk_opf_t opf)
{
	u64 ahead = max(window->zeroed_area, area_of(window, window->end)) + 1;

	window->phase = SNAP_WINDOW_WRITE;
	window->nr_writing = nr_pieces(window, window->written, window->end);
	window->nr_zeroing = nr_to_zero_ahead(window, ahead);
	window->zeroing_to = ahead + window->nr_zeroing - 1;
	atomic_set(&window->nr_ios, window->nr_writing + window->nr_zeroing);
	start_writes(window, window->written, window->end, REQ_FUA | opf);
	/* Second, so that a device that works at once does a flush meanwhile. */
	start_zeroes(window, ahead);
}

static void flush_and_write(struct snap_window *window)
{
	if (window->data_is_durable && !window->unflushed) {
		write_entries(window, 0);
		return;
	}
	/* So it is for the rest of this commit; if the flush fails there is none. */
	window->data_is_durable = true;
	window->unflushed = false;
	if (nr_pieces(window, window->written, window->end) == 1) {
		write_entries(window, REQ_PREFLUSH);
		return;
	}
	window->phase = SNAP_WINDOW_FLUSH;
	atomic_set(&window->nr_ios, 1);
	snap_meta_start(&window->ios[0], REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0,
			io_done, window);
}

/*
 * Before the first write after a load that found stale entries: zeroes behind the last
 * entry, so that no new entry connects to them. Made durable by the flush that follows.
 */
static int scrub(struct snap_window *window)
{
	u64 first = round_down(window->end, window->block_entries);
	u64 clean = first + window->block_entries;
	u64 end = (area_of(window, first) + 1) * window->geo->entries_per_area;
	int r;

	/* The block of the last entry: as it is in memory, zero behind. */
	r = snap_meta_rw(window->ios, REQ_OP_WRITE, entry_sector(window, first),
			 snap_window_entry(window, first),
			 window->block_entries * SNAP_ENTRY_BYTES);
	if (!r && clean < end)
		r = snap_meta_zero(window->ios, entry_sector(window, clean),
				   (end - clean) /
					   (SECTOR_SIZE / SNAP_ENTRY_BYTES));
	window->unflushed = true;
	if (!r)
		window->stale = false;
	return r;
}

static bool is_full(const struct snap_window *window)
{
	return window->end == window->first + window->nr_entries;
}

int snap_window_begin(struct snap_window *window, bool data_is_durable)
{
	window->data_is_durable = data_is_durable;
	/* A merge may have left it at the end of a full area. */
	if (is_full(window))
		move(window, window->end);
	return window->stale ? scrub(window) : 0;
}

bool snap_window_append(struct snap_window *window, chunk_t old_chunk,
			chunk_t new_chunk)
{
	if (is_full(window))
		return false;
	snap_entry_pack(old_chunk, new_chunk,
			snap_window_entry(window, window->end));
	window->end++;
	return true;
}

int snap_window_write(struct snap_window *window, snap_store_done_fn done,
		      void *context)
{
	u64 zero = max(window->zeroed_area, area_of(window, window->written)) + 1;
	u64 last = area_of(window, window->end);
	int r;

	if (window->written == window->end)
		return 0;
	window->done = done;
	window->context = context;
	if (zero > last) {
		flush_and_write(window);
		return SNAP_COMMIT_GOES_ON;
	}
	/* A reader must find a terminator in each area that it gets to. */
	if (areas_are_large(window)) {
		r = snap_meta_zero(window->ios, snap_entry_sector(window->geo, last, 0),
				   window->geo->chunk_sectors);
		if (r)
			return r;
		window->unflushed = true;
		window->zeroed_area = last;
		flush_and_write(window);
		return SNAP_COMMIT_GOES_ON;
	}
	window->phase = SNAP_WINDOW_ZERO;
	window->nr_zeroing = last + 1 - zero;
	window->zeroing_to = last;
	atomic_set(&window->nr_ios, window->nr_zeroing);
	start_zeroes(window, zero);
	return SNAP_COMMIT_GOES_ON;
}

int snap_window_go_on(struct snap_window *window)
{
	int r;

	switch (window->phase) {
	case SNAP_WINDOW_ZERO:
		r = end_zeroes(window);
		if (r)
			return r;
		flush_and_write(window);
		return SNAP_COMMIT_GOES_ON;
	case SNAP_WINDOW_FLUSH:
		r = result_of(window->ios, 1);
		if (r)
			return r;
		write_entries(window, 0);
		return SNAP_COMMIT_GOES_ON;
	default:
		break;
	}
	/* If they failed, it is for the commit that needs them to try again. */
	end_zeroes(window);
	r = result_of(window->ios, window->nr_writing);
	if (r)
		return r;
	window->written = window->end;
	if (is_full(window))
		move(window, window->end);
	return 0;
}

/*
 * Zeroing a large area is not done ahead, and a write may fill one whenever the window
 * lies at its end.
 */
bool snap_window_may_sleep(const struct snap_window *window)
{
	u64 first = window->first;

	if (is_full(window))
		first += window->nr_entries;
	return window->stale ||
	       (areas_are_large(window) &&
		(first + window->nr_entries) % window->geo->entries_per_area == 0);
}

int snap_window_back(struct snap_window *window)
{
	u32 piece = window->piece_entries;
	u64 first, at;

	if (snap_window_known(window))
		return 0;
	if (!window->end)
		return 1;
	first = round_down(window->end - 1, window->nr_entries);
	for (at = first; at < window->end; at += piece) {
		int r = snap_meta_rw(window->ios, REQ_OP_READ,
				     entry_sector(window, at),
				     &window->entries[at - first],
				     piece * SNAP_ENTRY_BYTES);
		if (r) {
			/* Empty at the same place, as before. */
			move(window, window->end);
			return r;
		}
	}
	window->first = first;
	window->known_from = first;
	window->zeroed_area = 0;
	return 0;
}

static void wake(void *context)
{
	complete(context);
}

int snap_window_forget(struct snap_window *window, u32 nr)
{
	u64 left = window->end - nr, end = window->end;
	u32 pieces = nr_pieces(window, left, end);
	DECLARE_COMPLETION_ONSTACK(written);
	int r = 0;

	if (pieces > 1)
		r = snap_meta_rw(window->ios, REQ_OP_WRITE | REQ_PREFLUSH, 0,
				 NULL, 0);
	if (r)
		return r;
	memset(snap_window_entry(window, left), 0, nr * SNAP_ENTRY_BYTES);
	window->done = wake;
	window->context = &written;
	atomic_set(&window->nr_ios, pieces);
	start_writes(window, left, end,
		     REQ_FUA | (pieces > 1 ? 0 : REQ_PREFLUSH));
	wait_for_completion_io(&written);
	r = result_of(window->ios, pieces);
	if (r)
		return r;
	window->end = left;
	window->written = left;
	window->zeroed_area = 0;
	return 0;
}
