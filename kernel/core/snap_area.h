/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things lie in a persistent store: the arithmetic of areas and of free
 * chunks, the check of an entry read from disk. Pure functions.
 */
#ifndef SNAP_CORE_AREA_H
#define SNAP_CORE_AREA_H

#include "snap_types.h"

/* The shape of one store. All of it follows from two numbers. */
struct snap_geometry {
	u64 nr_chunks;	      /* whole chunks on the COW device, at this moment */
	u32 chunk_sectors;
	u32 entries_per_area; /* E */
};

/* @chunk_sectors has passed snap_chunk_sectors_fault(). */
void snap_geometry_init(struct snap_geometry *geo, u32 chunk_sectors,
			u64 cow_sectors);

/* The chunk that holds metadata area @area. */
chunk_t snap_area_chunk(const struct snap_geometry *geo, u64 area);

/* The sector of the COW device that holds entry @entry of area @area. */
u64 snap_entry_sector(const struct snap_geometry *geo, u64 area, u32 entry);

/* True for the positions of metadata areas; the header (chunk 0) is none. */
bool snap_chunk_is_metadata(const struct snap_geometry *geo, chunk_t chunk);

/* The first chunk at or after @chunk that may hold data. */
chunk_t snap_data_chunk_from(const struct snap_geometry *geo, chunk_t chunk);

/* The data chunks from @chunk, one itself, to the next metadata position. */
u64 snap_chunks_to_metadata(const struct snap_geometry *geo, chunk_t chunk);

/*
 * Takes up to @want data chunks that follow each other, from *@next_free on,
 * and moves *@next_free behind them (stepped over a metadata position).
 * @nr_entries counts the entries that are on disk or handed out before. A run
 * ends before a metadata position and at the end of the device, and is cut so
 * that the area that the terminator of all entries falls into exists: a store
 * whose last area would fill up without a next one is full one chunk earlier.
 * Returns the length of the run, its first chunk in *@first; 0 when the store
 * is full (nothing changes then).
 */
u32 snap_area_alloc_run(const struct snap_geometry *geo, chunk_t *next_free,
			u64 nr_entries, u32 want, chunk_t *first);

/*
 * NULL when an entry read from disk can be true; otherwise what is wrong with
 * it: new_chunk beyond the COW device, on the header or on a metadata position;
 * old_chunk at or beyond @origin_chunks. (That a chunk occurs twice is for the
 * index to find.) @new_chunk is not 0: that ends the list.
 */
const char *snap_entry_fault(const struct snap_geometry *geo, u64 origin_chunks,
			     chunk_t old_chunk, chunk_t new_chunk);

/*
 * The next free chunk that a merge recomputes after a commit that left @used
 * entries in @area.
 */
chunk_t snap_area_next_free(const struct snap_geometry *geo, u64 area, u32 used);

/* The chunks that a store needs to hold @nr_exceptions: 1 + ceil((n+1)/E) + n. */
u64 snap_store_chunks_needed(u32 chunk_sectors, u64 nr_exceptions);

#endif
