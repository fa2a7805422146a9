/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The header and the entries of a persistent store: between bytes on disk and
 * numbers that were checked. Pure functions: no locks, no allocation, no I/O,
 * callable from any context.
 */
#ifndef SNAP_CORE_FORMAT_H
#define SNAP_CORE_FORMAT_H

#include "snap_types.h"
#include "snap_disk.h"

#define SNAP_DEFAULT_CHUNK_SECTORS 32
#define SNAP_SECTOR_SHIFT 9
#define SNAP_ENTRY_BYTES 16

struct snap_header {
	bool valid;
	u32 version;
	u32 chunk_sectors;
};

enum snap_header_kind {
	SNAP_HEADER_FRESH,	 /* magic 0: format it */
	SNAP_HEADER_STORE,	 /* version 1, the fields are filled in */
	SNAP_HEADER_FOREIGN,	 /* another magic: not a store */
	SNAP_HEADER_BAD_VERSION, /* a store of a version we do not know */
};

void snap_header_pack(const struct snap_header *header,
		      struct snap_header_disk *disk);

/*
 * Says what the first 16 bytes of a COW device are. @header is filled in for
 * SNAP_HEADER_STORE and SNAP_HEADER_BAD_VERSION; its chunk_sectors has not been
 * checked (see snap_chunk_sectors_fault()).
 */
enum snap_header_kind snap_header_unpack(const struct snap_header_disk *disk,
					 struct snap_header *header);

/*
 * NULL when @chunk_sectors can be a chunk size above devices whose logical
 * blocks are @origin_block_bytes and @cow_block_bytes; otherwise the reason, as
 * a constant string ("Chunk size is not a power of 2", "Chunk size is not a
 * multiple of device blocksize", "Chunk size is too high", "Chunk size is zero").
 */
const char *snap_chunk_sectors_fault(u32 chunk_sectors, u32 origin_block_bytes,
				     u32 cow_block_bytes);

void snap_entry_pack(chunk_t old_chunk, chunk_t new_chunk,
		     struct snap_entry_disk *disk);

/* Here, because a load does it a million times. */
static inline void snap_entry_unpack(const struct snap_entry_disk *disk,
				     chunk_t *old_chunk, chunk_t *new_chunk)
{
	*old_chunk = le64_to_cpu(disk->old_chunk);
	*new_chunk = le64_to_cpu(disk->new_chunk);
}

#endif
