/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An exception store: it hands out chunks of a COW device and remembers which
 * chunk of the origin is where. It knows neither the snapshot that uses it nor
 * the origin: it gets a device and sizes, and answers through return values.
 */
#ifndef SNAP_STORE_H
#define SNAP_STORE_H

#include <linux/blkdev.h>
#include "snap_types.h"

struct snap_index;
struct snap_store;

struct snap_store_params {
	struct block_device *bdev;
	u32 chunk_sectors; /* 0: the store's default, or what is on disk */
	u32 origin_block_bytes;
	u64 origin_sectors; /* bounds the old chunks that may be on disk */
};

struct snap_usage {
	u64 allocated_sectors; /* metadata and data */
	u64 total_sectors;
	u64 metadata_sectors;
};

/* A commit has got on. Any context. */
typedef void (*snap_store_done_fn)(void *context);

#define SNAP_COMMIT_GOES_ON 1

enum snap_load {
	SNAP_LOAD_GOOD,
	SNAP_LOAD_INVALIDATED, /* the header says so; the index stays empty */
};

struct snap_store_type {
	const char *name;     /* the letter of the table line */
	bool persistent;      /* survives the table; can be merged */

	/*
	 * Makes the object; reads and writes nothing. Sleeps. -errno with a text in
	 * *@error.
	 */
	int (*create)(const struct snap_store_params *params,
		      struct snap_store **store, char **error);
	void (*destroy)(struct snap_store *store);

	/*
	 * Reads what is on the device into @index, which is empty before and after an
	 * error; formats a fresh one; settles store->chunk_sectors. Sleeps, once per store. An enum snap_load, or -errno
	 * with a text in *@error: -ENXIO not a store, -EINVAL wrong version, chunk
	 * size or contents, -ENOSPC device too small, -ENOMEM, -EIO. The store may
	 * only be destroyed then.
	 */
	int (*load)(struct snap_store *store, struct snap_index *index,
		    char **error);

	/*
	 * Takes up to @want chunks that follow each other; returns how many, the
	 * first in *@first; 0 when there is no room. The caller excludes other calls
	 * of alloc() and usage(). Does not sleep.
	 */
	u32 (*alloc)(struct snap_store *store, u32 want, chunk_t *first);

	/* Would alloc() find room? Locking as alloc(). */
	bool (*has_room)(struct snap_store *store);

	/*
	 * Makes exceptions durable, with the data that was written to their chunks
	 * and completed before; @durable: that is already. 0: they are.
	 * SNAP_COMMIT_GOES_ON: I/O was started; @done is called, in any context and
	 * maybe before this returns, when commit_go_on() is to be called, which
	 * answers the same way. -errno: some of them may be durable, and the store
	 * takes no more commits. @runs stays as it is until the end. The caller
	 * excludes all others but alloc() and usage(). Allocates nothing; may sleep for I/O, but does so only the first time after
	 * a load, and to zero the next area where areas are large.
	 */
	int (*commit)(struct snap_store *store, const struct snap_run *runs,
		      u32 nr, bool durable, snap_store_done_fn done,
		      void *context);
	int (*commit_go_on)(struct snap_store *store);
	/* Might the next of these calls sleep for I/O? NULL: they never do. Locking as commit(). */
	bool (*commit_may_sleep)(const struct snap_store *store);

	/*
	 * Merging, for persistent stores. The last entries of the store, at most
	 * @max, as runs of one chunk: how many, 0 when there are none left, -errno.
	 * Locking as commit(). Sleeps for I/O.
	 */
	int (*merge_peek)(struct snap_store *store, struct snap_run *entries,
			  u32 max);

	/*
	 * Forgets the last @nr entries for good; at most what the preceding
	 * merge_peek() returned. -errno: it is unknown whether they are on disk.
	 */
	int (*merge_forget)(struct snap_store *store, u32 nr);

	/*
	 * Merging has ended and exceptions may be made again: no chunk above @highest
	 * holds data. Locking as alloc().
	 */
	void (*merge_end)(struct snap_store *store, chunk_t highest);

	/*
	 * Writes that the store must not be used any more. The caller excludes
	 * commit(). Sleeps for I/O.
	 */
	int (*invalidate)(struct snap_store *store);

	/* Locking as alloc(). All 0 but the total before a load. */
	void (*usage)(struct snap_store *store, struct snap_usage *usage);
};

struct snap_store {
	const struct snap_store_type *type;
	struct block_device *bdev;
	u32 chunk_sectors; /* 0 until loaded, where the table says 0 */
	u32 chunk_shift;   /* log2 of chunk_sectors */
};

extern const struct snap_store_type snap_store_persistent;
extern const struct snap_store_type snap_store_transient;

/* The type of this name, NULL if there is none. */
const struct snap_store_type *snap_store_type_find(const char *name);

/* Sets chunk_sectors and chunk_shift; @chunk_sectors is a power of two. */
void snap_store_set_chunk(struct snap_store *store, u32 chunk_sectors);

#endif
