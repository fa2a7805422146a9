// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target snapshot: where a read, a write and a discard of the snapshot's device
 * go. map() never waits; what cannot be done at once is queued.
 */
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include "copy.h"
#include "messages.h"
#include "origin.h"
#include "snap_format.h"
#include "snapshot.h"

static unsigned int snapshot_cow_threshold = 2048;
module_param(snapshot_cow_threshold, uint, 0644);
MODULE_PARM_DESC(snapshot_cow_threshold,
		 "Runs of chunks of one snapshot that may be under way at once");

/*
 * The longest run: its pages and its latency. A chunk that is larger is a run of
 * its own.
 */
#define MAX_RUN_SECTORS ((16U << 20) >> SECTOR_SHIFT)
/* What may be under way in runs, whose copies hold pages: one run always may. */
#define MAX_PENDING_SECTORS ((64U << 20) >> SECTOR_SHIFT)

int snapshot_begin_run(struct snapshot *snap, chunk_t old_chunk, u64 want,
		       struct snap_pending **result)
{
	u64 most = max_t(u64, MAX_RUN_SECTORS >> snap->store->chunk_shift, 1);
	struct snap_pending *p;
	u32 nr;

	lockdep_assert_held_write(&snap->lock);
	if (snap->nr_pending >= max(READ_ONCE(snapshot_cow_threshold), 1U))
		return -EAGAIN;
	if (snap->pending_sectors >= MAX_PENDING_SECTORS)
		return -EAGAIN;
	p = snap_pending_alloc(snap);
	if (!p)
		return -EAGAIN;
	nr = snap->store->type->alloc(snap->store, min(want, most),
				      &p->run.new_chunk);
	if (!nr) {
		mempool_free(p, &snap->pending_pool);
		return -ENOSPC;
	}
	p->run.old_chunk = old_chunk;
	p->run.nr_chunks = nr;
	p->began_ns = ktime_get_ns();
	snap_space_taken(snap, nr, p->began_ns);
	snap_pending_insert(snap, p);
	list_add_tail(&p->list, &snap->fifo);
	snap->nr_pending++;
	atomic_inc(&snap->nr_copying);
	snap->pending_sectors += snap_chunk_to_sector(snap, nr);
	atomic_inc(&snap->origin->nr_pending);
	*result = p;
	return 0;
}

static sector_t offset_in_chunk(struct snapshot *snap, sector_t sector)
{
	return sector & (snap->store->chunk_sectors - 1);
}

void snap_remap_to_cow(struct snapshot *snap, struct bio *bio,
		       chunk_t new_chunk)
{
	sector_t sector = bio->bi_iter.bi_sector;

	bio_set_dev(bio, snap_cow_bdev(snap));
	bio->bi_iter.bi_sector = snap_chunk_to_sector(snap, new_chunk) +
				 offset_in_chunk(snap, sector);
}

void snap_bio_cut(struct snapshot *snap, struct bio *bio, chunk_t end_chunk)
{
	sector_t sector = bio->bi_iter.bi_sector;
	u64 nr_chunks = end_chunk - snap_sector_to_chunk(snap, sector);
	sector_t left;

	/* The last hole has no end: in sectors it would not fit a sector_t. */
	if (nr_chunks > (bio_sectors(bio) >> snap->store->chunk_shift) + 1)
		return;
	left = snap_chunk_to_sector(snap, nr_chunks) -
	       offset_in_chunk(snap, sector);
	if (bio_sectors(bio) > left)
		dm_accept_partial_bio(bio, left);
}

static int route_read(struct snapshot *snap, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	struct snap_run run;
	int r = DM_MAPIO_REMAPPED;

	read_lock(&snap->lock);
	if (snap->health >= SNAP_INVALIDATING) {
		r = DM_MAPIO_KILL;
	} else if (snap_index_lookup(&snap->index,
				     snap_sector_to_chunk(snap, sector), &run)) {
		snap_bio_cut(snap, bio, run.old_chunk + run.nr_chunks);
		snap_remap_to_cow(snap, bio, run.new_chunk);
	} else {
		snap_bio_cut(snap, bio, run.old_chunk + run.nr_chunks);
		bio_set_dev(bio, snap->origin_dev->bdev);
		snap_bio_of(bio)->tracked = true;
		snap_tracked_add(&snap->tracked, &snap_bio_of(bio)->tracked_io,
				 sector, bio_sectors(bio));
	}
	read_unlock(&snap->lock);
	return r;
}

static bool route_write_mapped(struct snapshot *snap, struct bio *bio)
{
	struct snap_run run;

	if (!snap_index_lookup(&snap->index,
			       snap_sector_to_chunk(snap, bio->bi_iter.bi_sector),
			       &run))
		return false;
	snap_bio_cut(snap, bio, run.old_chunk + run.nr_chunks);
	snap_remap_to_cow(snap, bio, run.new_chunk);
	return true;
}

static void wait_for_run(struct snapshot *snap, struct snap_pending *p,
			 struct bio *bio)
{
	snap_waiting_add(&p->snap_bios, &snap->counters.waits, bio);
}

/* Not now: too many runs under way. Cut to a chunk, so that one answer fits later. */
static int defer(struct snapshot *snap, struct bio *bio, chunk_t chunk)
{
	snap_bio_cut(snap, bio, chunk + 1);
	snap_waiting_add(&snap->deferred_bios, &snap->counters.waits, bio);
	/* The end of any run makes the worker look; where there is none, we do. */
	if (!snap->nr_pending)
		snap_worker_kick(snap);
	return DM_MAPIO_SUBMITTED;
}

/* No room for it. DM_MAPIO_*, or -ENOSPC: the caller ends it with that. */
static int find_no_room(struct snapshot *snap, struct bio *bio, chunk_t chunk)
{
	snap_bio_cut(snap, bio, chunk + 1);
	switch (snap_space_own_bio(snap, bio)) {
	case SNAP_NO_SPACE_WAITS:
		return DM_MAPIO_SUBMITTED;
	case SNAP_NO_SPACE_PUSHED_BACK:
		return DM_MAPIO_REQUEUE;
	case SNAP_NO_SPACE_FAILS:
		return -ENOSPC;
	default:
		snap_health_raise(snap, snapshot_full_health(snap),
				  "the COW device is full and the snapshot is written");
		return DM_MAPIO_KILL;
	}
}

/*
 * A write into a hole. Whole chunks: the bio itself is the copy. A part of one:
 * the chunk is copied first, and *@copy is the run to start.
 */
static int route_write_hole(struct snapshot *snap, struct bio *bio,
			    chunk_t end, struct snap_pending **copy)
{
	sector_t sector = bio->bi_iter.bi_sector;
	chunk_t chunk = snap_sector_to_chunk(snap, sector);
	u64 whole = 0;
	struct snap_pending *p;
	int r;

	if (!offset_in_chunk(snap, sector))
		whole = min_t(u64, bio_sectors(bio) >> snap->store->chunk_shift,
			      end - chunk);
	r = snapshot_begin_run(snap, chunk, max(whole, 1ULL), &p);
	if (r == -EAGAIN)
		return defer(snap, bio, chunk);
	if (r)
		return find_no_room(snap, bio, chunk);
	snap_bio_cut(snap, bio, chunk + p->run.nr_chunks);
	if (whole) {
		p->full_bio = bio;
		p->own_write = true;
		snap_bio_of(bio)->full = p;
		snap_remap_to_cow(snap, bio, p->run.new_chunk);
		/* Several share a flush, which a lone one does not need. */
		if (atomic_read(&snap->nr_copying) == 1 &&
		    snap_cow_takes_fua(snap))
			bio->bi_opf |= REQ_FUA;
		p->durable = bio->bi_opf & REQ_FUA;
		return DM_MAPIO_REMAPPED;
	}
	wait_for_run(snap, p, bio);
	*copy = p;
	return DM_MAPIO_SUBMITTED;
}

static int route_write_locked(struct snapshot *snap, struct bio *bio,
			      struct snap_pending **copy)
{
	chunk_t chunk = snap_sector_to_chunk(snap, bio->bi_iter.bi_sector);
	struct snap_pending *p;
	struct snap_run hole;
	chunk_t end;

	if (snap->health != SNAP_GOOD)
		return DM_MAPIO_KILL;
	if (route_write_mapped(snap, bio))
		return DM_MAPIO_REMAPPED;
	p = snap_pending_from(snap, chunk);
	if (p && p->run.old_chunk <= chunk) {
		snap_bio_cut(snap, bio, p->run.old_chunk + p->run.nr_chunks);
		wait_for_run(snap, p, bio);
		return DM_MAPIO_SUBMITTED;
	}
	snap_index_lookup(&snap->index, chunk, &hole);
	end = chunk + hole.nr_chunks;
	if (p)
		end = min(end, p->run.old_chunk);
	return route_write_hole(snap, bio, end, copy);
}

int snapshot_route_write(struct snapshot *snap, struct bio *bio)
{
	struct snap_pending *copy = NULL;
	bool mapped;
	int r;

	read_lock(&snap->lock);
	mapped = snap->health == SNAP_GOOD && route_write_mapped(snap, bio);
	read_unlock(&snap->lock);
	if (mapped)
		return DM_MAPIO_REMAPPED;

	write_lock(&snap->lock);
	r = route_write_locked(snap, bio, &copy);
	write_unlock(&snap->lock);
	if (copy) {
		LIST_HEAD(runs);

		list_add(&copy->start, &runs);
		snap_copy_start(snap->origin, &runs);
	}
	if (r == -ENOSPC) {
		bio->bi_status = BLK_STS_NOSPC;
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	return r;
}

void snapshot_resubmit(struct snapshot *snap, struct bio *bio)
{
	switch (snapshot_route_write(snap, bio)) {
	case DM_MAPIO_REMAPPED:
		submit_bio_noacct(bio);
		break;
	case DM_MAPIO_REQUEUE:
		bio->bi_status = BLK_STS_DM_REQUEUE;
		bio_endio(bio);
		break;
	case DM_MAPIO_KILL:
		bio_io_error(bio);
		break;
	}
}

static void zero_done(int read_err, unsigned long write_err, void *context)
{
	struct bio *bio = context;

	bio->bi_status = write_err ? BLK_STS_IOERR : BLK_STS_OK;
	bio_endio(bio);
}

/*
 * discard_zeroes_cow: a discard of a whole chunk zeroes its exception; one without
 * exception changes nothing, and so does a part of a chunk. With
 * discard_passdown_origin a second bio goes to the origin, past all snapshots.
 */
static int route_discard(struct snapshot *snap, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	struct dm_io_region to = {
		.bdev = snap_cow_bdev(snap),
		.count = bio_sectors(bio),
	};
	struct snap_run run;
	bool mapped, good;

	/* Neither half of a discard may touch the origin for a lost snapshot. */
	if (snap_health_of(snap) >= SNAP_INVALIDATING)
		return DM_MAPIO_KILL;
	if (dm_bio_get_target_bio_nr(bio)) {
		/* Asked now: it may have had no table when ours was loaded. */
		if (!bdev_max_discard_sectors(snap->origin_dev->bdev)) {
			bio_endio(bio);
			return DM_MAPIO_SUBMITTED;
		}
		bio_set_dev(bio, snap->origin_dev->bdev);
		return DM_MAPIO_REMAPPED;
	}
	read_lock(&snap->lock);
	good = snap->health == SNAP_GOOD;
	mapped = snap_index_lookup(&snap->index,
				   snap_sector_to_chunk(snap, sector), &run);
	read_unlock(&snap->lock);
	if (!good)
		return DM_MAPIO_KILL;
	if (!mapped || offset_in_chunk(snap, sector) ||
	    bio_sectors(bio) != snap->store->chunk_sectors) {
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	to.sector = snap_chunk_to_sector(snap, run.new_chunk);
	dm_kcopyd_zero(snap->origin->kcopyd, 1, &to, 0, zero_done, bio);
	return DM_MAPIO_SUBMITTED;
}

static int snapshot_map(struct dm_target *ti, struct bio *bio)
{
	struct snapshot *snap = ti->private;
	struct snap_bio *sb = snap_bio_of(bio);

	sb->full = NULL;
	sb->tracked = false;

	/*
	 * Sectors are those of the whole device, not of the target: so they are in
	 * stores that exist.
	 */
	if (bio->bi_opf & REQ_PREFLUSH) {
		bio_set_dev(bio, snap_cow_bdev(snap));
		return DM_MAPIO_REMAPPED;
	}
	if (bio_op(bio) == REQ_OP_DISCARD)
		return route_discard(snap, bio);
	if (bio_data_dir(bio) == WRITE)
		return snapshot_route_write(snap, bio);
	return route_read(snap, bio);
}

static int snapshot_end_io(struct dm_target *ti, struct bio *bio,
			   blk_status_t *error)
{
	struct snapshot *snap = ti->private;
	struct snap_bio *sb = snap_bio_of(bio);
	struct snap_pending *full = sb->full;

	if (sb->tracked) {
		sb->tracked = false;
		/* The origin may have been written under an invalid snapshot. */
		if (snap_health_of(snap) >= SNAP_INVALIDATING)
			*error = BLK_STS_IOERR;
		if (snap_tracked_end(&snap->tracked, &sb->tracked_io))
			snap_worker_kick(snap);
	}
	if (full) {
		/* Acknowledged by the worker, after the commit. */
		sb->full = NULL;
		snap_pending_copied(full, *error);
		return DM_ENDIO_INCOMPLETE;
	}
	return DM_ENDIO_DONE;
}

static int snapshot_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct snapshot *snap;
	int r = snapshot_create(ti, argc, argv, false, &snap);

	if (r)
		return r;
	ti->private = snap;
	ti->num_flush_bios = 1;
	ti->per_io_data_size = sizeof(struct snap_bio);
	if (snap->args.discard_zeroes_cow) {
		ti->discards_supported = true;
		ti->num_discard_bios = snap->args.discard_passdown_origin ? 2 : 1;
	}
	return 0;
}

static void snapshot_dtr(struct dm_target *ti)
{
	snapshot_destroy(ti->private);
}

static int snapshot_preresume(struct dm_target *ti)
{
	return snap_switch_check(ti->private);
}

static void snapshot_resume(struct dm_target *ti)
{
	snap_switch_resume(ti->private);
}

static void snapshot_presuspend(struct dm_target *ti)
{
	snap_space_stop_own(ti->private, dm_noflush_suspending(ti));
}

static void snapshot_presuspend_undo(struct dm_target *ti)
{
	snap_space_go_own(ti->private);
}

static void snapshot_postsuspend(struct dm_target *ti)
{
	struct snapshot *snap = ti->private;

	snap_space_go_own(snap);
	if (!snap_switch_is_quieting())
		WRITE_ONCE(snap->suspended, true);
}

static void snapshot_target_status(struct dm_target *ti, status_type_t type,
				   unsigned int flags, char *result,
				   unsigned int maxlen)
{
	snapshot_status(ti->private, type, result, maxlen);
}

static int snapshot_iterate_devices(struct dm_target *ti,
				    iterate_devices_callout_fn fn, void *data)
{
	struct snapshot *snap = ti->private;
	int r = fn(ti, snap->origin_dev, 0, ti->len, data);

	if (r)
		return r;
	return fn(ti, snap->cow_dev, 0, bdev_nr_sectors(snap_cow_bdev(snap)),
		  data);
}

static void snapshot_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct snapshot *snap = ti->private;
	u32 chunk_sectors = snap->store->chunk_sectors;

	if (snap->args.discard_zeroes_cow && chunk_sectors)
		snap_limits_set_discard(limits, chunk_sectors << SECTOR_SHIFT,
					chunk_sectors);
}

struct target_type snap_snapshot_target = {
	.name = "snapshot",
	.version = { 1, 17, 0 },
	.module = THIS_MODULE,
	.ctr = snapshot_ctr,
	.dtr = snapshot_dtr,
	.map = snapshot_map,
	.end_io = snapshot_end_io,
	.presuspend = snapshot_presuspend,
	.presuspend_undo = snapshot_presuspend_undo,
	.postsuspend = snapshot_postsuspend,
	.preresume = snapshot_preresume,
	.resume = snapshot_resume,
	.status = snapshot_target_status,
	.message = snap_message,
	.iterate_devices = snapshot_iterate_devices,
	.io_hints = snapshot_io_hints,
};
