/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place where core/ meets its surroundings: the kernel on one side, any
 * hosted C11 or C++ compiler on the other. Nothing else in core/ includes a
 * kernel or a libc header.
 */
#ifndef SNAP_CORE_TYPES_H
#define SNAP_CORE_TYPES_H

#ifdef __KERNEL__

#include <linux/types.h>
#include <linux/kernel.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/limits.h>
#include <linux/build_bug.h>
#include <linux/log2.h>
#include <linux/sort.h>
#include <asm/byteorder.h>

#define snap_sort(base, nr, size, cmp) sort(base, nr, size, cmp, NULL)

#else

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#ifndef U64_MAX
#define U64_MAX UINT64_MAX
#endif
#ifndef U32_MAX
#define U32_MAX UINT32_MAX
#endif

#define cpu_to_le32(x) ((__le32)htole32(x))
#define cpu_to_le64(x) ((__le64)htole64(x))
#define le32_to_cpu(x) le32toh((u32)(x))
#define le64_to_cpu(x) le64toh((u64)(x))

#define snap_sort(base, nr, size, cmp) qsort(base, nr, size, cmp)

#endif /* __KERNEL__ */

/* The index of a chunk on the origin or on the COW device. */
typedef u64 chunk_t;

/*
 * A run: nr_chunks chunks that follow each other on the origin from old_chunk
 * and on the COW device from new_chunk.
 */
struct snap_run {
	chunk_t old_chunk;
	chunk_t new_chunk;
	u64 nr_chunks;
};

/*
 * The largest chunk index plus one that core/ works with. A block device has
 * at most 2^54 sectors (a signed 64-bit number of bytes) and a chunk is at
 * least one sector.
 */
#define SNAP_MAX_CHUNKS (1ULL << 54)

#endif
