/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a persistent store's list of entries: what of it is in memory, and what
 * on disk.
 *
 * Positions count entries from area 0 on: with E entries in an area, position p is
 * entry p % E of area p / E. The window is a part of the list that is in memory: some
 * areas, or a part of a large one. A piece is what of it lies together on disk.
 *
 * Whenever nothing is under way:
 *  - memory behind the last entry is zero;
 *  - unless @stale, the disk behind the last entry is zero, up to the end of its area.
 *
 * The caller excludes all others.
 */
#ifndef SNAP_STORE_WINDOW_H
#define SNAP_STORE_WINDOW_H

#include "meta_io.h"
#include "snap_area.h"
#include "snap_format.h"
#include "store.h"

enum snap_window_phase {
	SNAP_WINDOW_ZERO,  /* areas that a reader will look into */
	SNAP_WINDOW_FLUSH, /* of the data, and of these */
	SNAP_WINDOW_WRITE, /* of the entries */
};

struct snap_window {
	struct block_device *bdev;
	const struct snap_geometry *geo;
	u32 block_entries; /* in what is written at least */
	u32 piece_entries;
	u32 nr_entries;
	struct snap_entry_disk *entries;
	struct snap_meta_io *ios;      /* one for each piece */
	struct snap_meta_io *zero_ios; /* as many */

	u64 first;	 /* the position of entries[0], a multiple of nr_entries */
	u64 known_from;	 /* from here on the window holds what is in the list */
	u64 end;	 /* of the list */
	u64 written;	 /* the end of the list on disk */
	bool stale;	 /* something behind it is not zero on disk */
	bool unflushed;	 /* what is on disk may be in the device's cache only */
	u64 zeroed_area; /* up to this one, areas behind that of @written are zero on disk */

	/* Under way. */
	enum snap_window_phase phase;
	u64 zeroing_to;
	u32 nr_zeroing;
	bool zero_with_fua;
	u32 nr_writing;
	bool data_is_durable; /* that the entries name */
	atomic_t nr_ios;
	snap_store_done_fn done;
	void *context;
};

/*
 * The store is empty. @block_bytes are written at least. Sleeps. -ENOMEM; exit()
 * undoes what was done, also before init() when all is zero.
 */
int snap_window_init(struct snap_window *window, struct block_device *bdev,
		     const struct snap_geometry *geo, u32 block_bytes);
void snap_window_exit(struct snap_window *window);

/*
 * The list ends at entry @used of area @area; of the area the piece that begins at entry
 * @piece_first was read into the beginning of window->entries. Flushes the device, so that
 * what was read is durable; where that fails the log says so. Sleeps.
 */
void snap_window_loaded(struct snap_window *window, u64 area, u32 piece_first,
			u32 used, bool stale);

/*
 * Before entries are appended; @data_is_durable: what they name needs no flush. Sleeps for
 * I/O, but only the first time after a load that found something stale. -errno.
 */
int snap_window_begin(struct snap_window *window, bool data_is_durable);
/* Appends an entry in memory; false: there is no room before what is there is written. */
bool snap_window_append(struct snap_window *window, chunk_t old_chunk,
			chunk_t new_chunk);

/*
 * Starts to write what was appended, behind a flush where one is needed. 0: there is
 * nothing to write. SNAP_COMMIT_GOES_ON: @done is called, in any context and maybe before this returns, when
 * go_on() is to be called. go_on() answers in the same way: 0: all is durable. -errno:
 * some of it may be. Allocates nothing. Sleeps for I/O only to zero an area that is larger
 * than the window, when it is reached.
 */
int snap_window_write(struct snap_window *window, snap_store_done_fn done,
		      void *context);
int snap_window_go_on(struct snap_window *window);
/* May the next begin() or write() sleep for I/O? */
bool snap_window_may_sleep(const struct snap_window *window);

/*
 * Reads entries before the end of the list into the window where there are none in it.
 * 0; 1: the list is empty; -errno, and nothing has changed. Sleeps.
 */
int snap_window_back(struct snap_window *window);
/* So many entries at the end of the list are in the window. */
static inline u32 snap_window_known(const struct snap_window *window)
{
	return window->end - window->known_from;
}
/* Entry @at of the list, which is in the window. */
static inline struct snap_entry_disk *
snap_window_entry(const struct snap_window *window, u64 at)
{
	return &window->entries[at - window->first];
}
/*
 * Cuts the last @nr entries, which are in the window, off the list for good. Sleeps.
 * -errno: it is unknown which are on disk, and nothing may be done with the list any more.
 */
int snap_window_forget(struct snap_window *window, u32 nr);

#endif
