/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The persistent exception store on disk, format version 1.
 *
 * All integers are little-endian. A chunk is chunk_sectors sectors of 512
 * bytes; C is its size in bytes and E = C / 16 the number of entries in one
 * metadata area.
 *
 *   chunk 0                      the header, zero behind the first 16 bytes
 *   chunk 1 + k * (E + 1)        metadata area k, k = 0, 1, 2 ...
 *   every other chunk            data
 *
 * An area is an array of E entries. They are appended in order; an entry with
 * new_chunk 0 ends the list, a full area goes on in the next one. The format
 * carries no checksum, no UUID and no generation: a reader treats every number
 * as hostile.
 */
#ifndef SNAP_UAPI_DISK_H
#define SNAP_UAPI_DISK_H

#include <linux/types.h>

#define SNAP_DISK_MAGIC 0x70416e53 /* the bytes "SnAp" */
#define SNAP_DISK_VERSION 1

struct snap_header_disk {
	__le32 magic; /* 0: a fresh store, to be formatted */
	__le32 valid; /* 1 usable, 0 invalidated for good */
	__le32 version;
	__le32 chunk_sectors;
};

struct snap_entry_disk {
	__le64 old_chunk; /* index on the origin */
	__le64 new_chunk; /* index on the COW device, 0 ends the list */
};

#endif
