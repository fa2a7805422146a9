/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the entries of a persistent store. */
#ifndef SNAP_STORE_LOAD_H
#define SNAP_STORE_LOAD_H

#include <linux/blkdev.h>
#include "snap_area.h"
#include "snap_format.h"
#include "snap_index.h"

/* What is read, and where to. */
struct snap_load_areas {
	struct block_device *bdev;
	const struct snap_geometry *geo;
	u64 origin_chunks; /* bounds the old chunks */

	/*
	 * So many entries are read at once: at most an area and SNAP_META_BYTES. The
	 * last of these pieces is copied to @piece, zero behind the last entry.
	 */
	u32 piece_entries;
	struct snap_entry_disk *piece;

	/* Out: where the list of entries ends. */
	u64 area;
	u32 used;	  /* entries in the area */
	u32 piece_first; /* the first entry in the piece */
	bool stale;	  /* the area is not zero behind the last entry */
	chunk_t highest;  /* that an entry names as new; 1: there is no entry */
};

/*
 * Reads all areas and fills @index, which is empty before, and after an error. Sleeps.
 * 0; -EINVAL: they are corrupt, and the kernel log says where; -ENOMEM; -errno of the
 * device.
 */
int snap_load_areas(struct snap_load_areas *areas, struct snap_index *index);

#endif
