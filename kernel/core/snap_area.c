// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where things lie in a persistent store.
 *
 * With E entries in an area the device is the header followed by groups of
 * E + 1 chunks: one metadata area, then the E data chunks that its entries would
 * name if nothing ever left a hole. E is a power of two, so E + 1 is not, and
 * positions within a group take a real division.
 */
#include "snap_area.h"
#include "snap_format.h"

/* The chunks of one metadata area and of the data that fills it. */
static u64 snap_group_chunks(const struct snap_geometry *geo)
{
	return (u64)geo->entries_per_area + 1;
}

void snap_geometry_init(struct snap_geometry *geo, u32 chunk_sectors, u64 cow_sectors)
{
	u64 nr_chunks = cow_sectors / chunk_sectors;

	/* No block device is that large; nobody below has to fear an overflow. */
	if (nr_chunks > SNAP_MAX_CHUNKS)
		nr_chunks = SNAP_MAX_CHUNKS;

	geo->nr_chunks = nr_chunks;
	geo->chunk_sectors = chunk_sectors;
	geo->entries_per_area = (chunk_sectors << SNAP_SECTOR_SHIFT) / SNAP_ENTRY_BYTES;
}

chunk_t snap_area_chunk(const struct snap_geometry *geo, u64 area)
{
	return 1 + area * snap_group_chunks(geo);
}

u64 snap_entry_sector(const struct snap_geometry *geo, u64 area, u32 entry)
{
	return snap_area_chunk(geo, area) * geo->chunk_sectors +
	       (((u64)entry * SNAP_ENTRY_BYTES) >> SNAP_SECTOR_SHIFT);
}

bool snap_chunk_is_metadata(const struct snap_geometry *geo, chunk_t chunk)
{
	return chunk % snap_group_chunks(geo) == 1;
}

chunk_t snap_data_chunk_from(const struct snap_geometry *geo, chunk_t chunk)
{
	if (!chunk) /* the header, and behind it area 0 */
		return 2;
	return snap_chunk_is_metadata(geo, chunk) ? chunk + 1 : chunk;
}

/*
 * The entries that the store can ever hold. With n entries the terminator is
 * entry n, in area n / E, and that area has to exist: the last area on the
 * device holds E - 1 entries and the terminator.
 */
static u64 snap_store_max_entries(const struct snap_geometry *geo)
{
	u64 last_area;

	if (geo->nr_chunks < 2)
		return 0;
	last_area = (geo->nr_chunks - 2) / snap_group_chunks(geo);
	return last_area * geo->entries_per_area + geo->entries_per_area - 1;
}

u64 snap_chunks_to_metadata(const struct snap_geometry *geo, chunk_t chunk)
{
	u64 offset = chunk % snap_group_chunks(geo);

	return offset ? snap_group_chunks(geo) + 1 - offset : 1;
}

u32 snap_area_alloc_run(const struct snap_geometry *geo, chunk_t *next_free,
			u64 nr_entries, u32 want, chunk_t *first)
{
	u64 max_entries = snap_store_max_entries(geo);
	chunk_t start = snap_data_chunk_from(geo, *next_free);
	u64 nr = want;

	if (!want || start >= geo->nr_chunks || nr_entries >= max_entries)
		return 0;

	if (nr > max_entries - nr_entries)
		nr = max_entries - nr_entries;
	if (nr > geo->nr_chunks - start)
		nr = geo->nr_chunks - start;
	if (nr > snap_chunks_to_metadata(geo, start))
		nr = snap_chunks_to_metadata(geo, start);

	*first = start;
	*next_free = snap_data_chunk_from(geo, start + nr);
	return (u32)nr;
}

const char *snap_entry_fault(const struct snap_geometry *geo, u64 origin_chunks,
			     chunk_t old_chunk, chunk_t new_chunk)
{
	if (!new_chunk)
		return "new chunk is on the header";
	if (new_chunk >= geo->nr_chunks)
		return "new chunk is beyond the COW device";
	if (snap_chunk_is_metadata(geo, new_chunk))
		return "new chunk is on a metadata area";
	if (old_chunk >= origin_chunks)
		return "old chunk is beyond the origin";
	return NULL;
}

chunk_t snap_area_next_free(const struct snap_geometry *geo, u64 area, u32 used)
{
	/* Behind a full area lies the next one, which is never free. */
	return snap_data_chunk_from(geo, snap_area_chunk(geo, area) + used + 1);
}

u64 snap_store_chunks_needed(u32 chunk_sectors, u64 nr_exceptions)
{
	u64 per_area = ((u64)chunk_sectors << SNAP_SECTOR_SHIFT) / SNAP_ENTRY_BYTES;

	if (nr_exceptions > SNAP_MAX_CHUNKS)
		return U64_MAX; /* no device is large enough */

	/* ceil((n + 1) / E) is n / E + 1 */
	return 1 + (nr_exceptions / per_area + 1) + nr_exceptions;
}
