/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metadata I/O that allocates nothing: reads and writes through bios that belong to
 * the store.
 */
#ifndef SNAP_META_IO_H
#define SNAP_META_IO_H

#include <linux/bio.h>
#include <linux/blkdev.h>

/* The largest transfer. */
#define SNAP_META_PAGES 16
#define SNAP_META_BYTES (SNAP_META_PAGES * PAGE_SIZE)

/*
 * Whether FUA saves a flush: what has it needs none later. Where the device says it does not
 * know FUA the block layer adds a flush to each write, which is no gain; one that is stacked
 * says that it does as soon as one below does. Without a cache flushes cost nothing.
 */
static inline bool snap_fua_saves_flush(struct block_device *bdev)
{
	return bdev_write_cache(bdev) && bdev_fua(bdev);
}

struct snap_meta_io {
	struct block_device *bdev;
	struct bio bio;
	struct bio_vec vecs[SNAP_META_PAGES];
};

void snap_meta_io_init(struct snap_meta_io *io, struct block_device *bdev);

/* Page-aligned memory of @bytes (rounded up to pages) for transfers; sleeps. */
void *snap_meta_alloc(size_t bytes);
void snap_meta_free(void *memory);

/*
 * Transfers @bytes, a multiple of the logical block size and at most
 * SNAP_META_BYTES, between @data (inside snap_meta_alloc() memory) and @sector. No bytes:
 * a flush, if @opf says so.
 * Sleeps until it is done. -errno of the device.
 */
int snap_meta_rw(struct snap_meta_io *io, blk_opf_t opf, sector_t sector,
		 void *data, size_t bytes);

/*
 * Starts the same without waiting: @end_io is called when it is done, in any context,
 * with @private in the bio. snap_meta_result() says how it went, once.
 */
void snap_meta_start(struct snap_meta_io *io, blk_opf_t opf, sector_t sector,
		     void *data, size_t bytes, bio_end_io_t *end_io,
		     void *private);
int snap_meta_result(struct snap_meta_io *io);

/* A read that somebody waits for later. */
struct snap_meta_read {
	struct snap_meta_io io;
	struct completion done;
};
void snap_meta_read_start(struct snap_meta_read *read, sector_t sector,
			  void *data, size_t bytes);
int snap_meta_read_wait(struct snap_meta_read *read);

/* Writes zeroes to sectors. Not durable before the next flush. */
int snap_meta_zero(struct snap_meta_io *io, sector_t sector, u64 nr_sectors);

/* Starts to write zeroes, at most SNAP_META_BYTES; @opf: flags. Otherwise as snap_meta_start(). */
void snap_meta_zero_start(struct snap_meta_io *io, blk_opf_t opf,
			  sector_t sector, u32 nr_sectors, bio_end_io_t *end_io,
			  void *private);

#endif
