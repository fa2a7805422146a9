// SPDX-License-Identifier: GPL-2.0-only
/*
 * The header and the entries of a persistent store, packed and unpacked.
 */
#include "snap_format.h"

_Static_assert(sizeof(struct snap_header_disk) == 16, "the header is 16 bytes on disk");
_Static_assert(sizeof(struct snap_entry_disk) == SNAP_ENTRY_BYTES, "an entry is 16 bytes on disk");

/*
 * The chunk size in bytes has to fit a signed int, as it always had to: larger
 * stores were never made, and no kernel would read them.
 */
#define SNAP_MAX_CHUNK_SECTORS (0x7fffffffU >> SNAP_SECTOR_SHIFT)

void snap_header_pack(const struct snap_header *header, struct snap_header_disk *disk)
{
	disk->magic = cpu_to_le32(SNAP_DISK_MAGIC);
	disk->valid = cpu_to_le32(header->valid ? 1U : 0U);
	disk->version = cpu_to_le32(header->version);
	disk->chunk_sectors = cpu_to_le32(header->chunk_sectors);
}

enum snap_header_kind snap_header_unpack(const struct snap_header_disk *disk,
					 struct snap_header *header)
{
	u32 magic = le32_to_cpu(disk->magic);

	if (!magic)
		return SNAP_HEADER_FRESH;
	if (magic != SNAP_DISK_MAGIC)
		return SNAP_HEADER_FOREIGN;

	/*
	 * Only 0 and 1 were ever written to valid. Anything else that is not 0
	 * counts as valid, as it does for every kernel that reads the format.
	 */
	header->valid = le32_to_cpu(disk->valid) != 0;
	header->version = le32_to_cpu(disk->version);
	header->chunk_sectors = le32_to_cpu(disk->chunk_sectors);

	return header->version == SNAP_DISK_VERSION ? SNAP_HEADER_STORE : SNAP_HEADER_BAD_VERSION;
}

static bool snap_chunk_holds_blocks(u32 chunk_sectors, u32 block_bytes)
{
	u32 block_sectors = block_bytes >> SNAP_SECTOR_SHIFT;

	/* A block smaller than a sector divides every chunk. */
	return !block_sectors || chunk_sectors % block_sectors == 0;
}

const char *snap_chunk_sectors_fault(u32 chunk_sectors, u32 origin_block_bytes,
				     u32 cow_block_bytes)
{
	if (!chunk_sectors)
		return "Chunk size is zero";
	if (chunk_sectors & (chunk_sectors - 1))
		return "Chunk size is not a power of 2";
	if (!snap_chunk_holds_blocks(chunk_sectors, origin_block_bytes) ||
	    !snap_chunk_holds_blocks(chunk_sectors, cow_block_bytes))
		return "Chunk size is not a multiple of device blocksize";
	if (chunk_sectors > SNAP_MAX_CHUNK_SECTORS)
		return "Chunk size is too high";
	return NULL;
}

void snap_entry_pack(chunk_t old_chunk, chunk_t new_chunk, struct snap_entry_disk *disk)
{
	disk->old_chunk = cpu_to_le64(old_chunk);
	disk->new_chunk = cpu_to_le64(new_chunk);
}
