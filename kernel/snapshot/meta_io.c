// SPDX-License-Identifier: GPL-2.0-only
/* Metadata I/O through preallocated bios. */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include "meta_io.h"

void snap_meta_io_init(struct snap_meta_io *io, struct block_device *bdev)
{
	io->bdev = bdev;
}

void *snap_meta_alloc(size_t bytes)
{
	return kvzalloc(PAGE_ALIGN(bytes), GFP_KERNEL);
}

void snap_meta_free(void *memory)
{
	kvfree(memory);
}

static struct page *page_of(void *data)
{
	return is_vmalloc_addr(data) ? vmalloc_to_page(data) :
				       virt_to_page(data);
}

static void prepare(struct snap_meta_io *io, blk_opf_t opf, sector_t sector,
		    void *data, size_t bytes)
{
	bio_init(&io->bio, io->bdev, io->vecs, SNAP_META_PAGES,
		 opf | REQ_SYNC | REQ_META);
	io->bio.bi_iter.bi_sector = sector;
	while (bytes) {
		unsigned int offset = offset_in_page(data);
		unsigned int len = min_t(size_t, bytes, PAGE_SIZE - offset);

		__bio_add_page(&io->bio, page_of(data), len, offset);
		data += len;
		bytes -= len;
	}
}

int snap_meta_rw(struct snap_meta_io *io, blk_opf_t opf, sector_t sector,
		 void *data, size_t bytes)
{
	int r;

	prepare(io, opf, sector, data, bytes);
	r = submit_bio_wait(&io->bio);
	bio_uninit(&io->bio);
	return r;
}

static void start(struct snap_meta_io *io, bio_end_io_t *end_io, void *private)
{
	io->bio.bi_private = private;
	io->bio.bi_end_io = end_io;
	submit_bio(&io->bio);
}

void snap_meta_start(struct snap_meta_io *io, blk_opf_t opf, sector_t sector,
		     void *data, size_t bytes, bio_end_io_t *end_io,
		     void *private)
{
	prepare(io, opf, sector, data, bytes);
	start(io, end_io, private);
}

int snap_meta_result(struct snap_meta_io *io)
{
	int r = blk_status_to_errno(io->bio.bi_status);

	bio_uninit(&io->bio);
	return r;
}

static void read_done(struct bio *bio)
{
	complete(bio->bi_private);
}

void snap_meta_read_start(struct snap_meta_read *read, sector_t sector,
			  void *data, size_t bytes)
{
	init_completion(&read->done);
	snap_meta_start(&read->io, REQ_OP_READ, sector, data, bytes, read_done,
			&read->done);
}

int snap_meta_read_wait(struct snap_meta_read *read)
{
	wait_for_completion_io(&read->done);
	return snap_meta_result(&read->io);
}

static void prepare_zero(struct snap_meta_io *io, blk_opf_t opf,
			 sector_t sector, u32 nr_sectors)
{
	u32 left = nr_sectors << SECTOR_SHIFT;

	bio_init(&io->bio, io->bdev, io->vecs, SNAP_META_PAGES,
		 REQ_OP_WRITE | opf | REQ_SYNC | REQ_META);
	io->bio.bi_iter.bi_sector = sector;
	while (left) {
		u32 len = min_t(u32, left, PAGE_SIZE);

		__bio_add_page(&io->bio, ZERO_PAGE(0), len, 0);
		left -= len;
	}
}

void snap_meta_zero_start(struct snap_meta_io *io, blk_opf_t opf,
			  sector_t sector, u32 nr_sectors, bio_end_io_t *end_io,
			  void *private)
{
	prepare_zero(io, opf, sector, nr_sectors);
	start(io, end_io, private);
}

int snap_meta_zero(struct snap_meta_io *io, sector_t sector, u64 nr_sectors)
{
	while (nr_sectors) {
		u32 nr_now = min_t(u64, nr_sectors, SNAP_META_BYTES >> SECTOR_SHIFT);
		int r;

		prepare_zero(io, 0, sector, nr_now);
		r = submit_bio_wait(&io->bio);
		bio_uninit(&io->bio);
		if (r)
			return r;
		sector += nr_now;
		nr_sectors -= nr_now;
		cond_resched();
	}
	return 0;
}
