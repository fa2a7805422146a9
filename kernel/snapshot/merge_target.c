// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target snapshot-merge: takes the origin's place while the snapshot is
 * merged into it.
 */
#include "merge.h"
#include "messages.h"
#include "origin.h"
#include "registry.h"
#include "snapshot.h"

static void remap_to_origin(struct snapshot *snap, struct bio *bio)
{
	bio_set_dev(bio, snap->origin_dev->bdev);
}

static void track(struct snapshot *snap, struct bio *bio)
{
	struct snap_bio *sb = snap_bio_of(bio);

	sb->tracked = true;
	snap_tracked_add(&snap->tracked, &sb->tracked_io,
			 bio->bi_iter.bi_sector, bio_sectors(bio));
}

static int route_read(struct snapshot *snap, struct bio *bio)
{
	struct snap_run run;

	read_lock(&snap->lock);
	if (snap_index_lookup(&snap->index,
			      snap_sector_to_chunk(snap, bio->bi_iter.bi_sector),
			      &run)) {
		snap_bio_cut(snap, bio, run.old_chunk + run.nr_chunks);
		snap_remap_to_cow(snap, bio, run.new_chunk);
	} else {
		snap_bio_cut(snap, bio, run.old_chunk + run.nr_chunks);
		remap_to_origin(snap, bio);
	}
	read_unlock(&snap->lock);
	return DM_MAPIO_REMAPPED;
}

/*
 * A write to a chunk that is still in the snapshot, whose entry from there on is @run.
 * True and *@result when it is dealt with. The caller holds snap->lock, exclusively if
 * @may_queue.
 */
static bool route_mapped(struct snapshot *snap, struct bio *bio,
			 const struct snap_run *run, bool may_queue, int *result)
{
	chunk_t end = run->old_chunk + run->nr_chunks;

	switch (snap_merge_ask(snap->merge, run->old_chunk, &end)) {
	case SNAP_MERGE_WRITE_COW:
		snap_bio_cut(snap, bio, end);
		track(snap, bio);
		snap_remap_to_cow(snap, bio, run->new_chunk);
		*result = DM_MAPIO_REMAPPED;
		return true;
	case SNAP_MERGE_WAIT:
		if (!may_queue)
			return false;
		/* One chunk: whatever becomes of it, one answer will fit. */
		snap_bio_cut(snap, bio, run->old_chunk + 1);
		snap_merge_queue(snap->merge, bio);
		*result = DM_MAPIO_SUBMITTED;
		return true;
	default:
		*result = DM_MAPIO_KILL;
		return true;
	}
}

static int route_write(struct snapshot *snap, struct bio *bio)
{
	chunk_t chunk = snap_sector_to_chunk(snap, bio->bi_iter.bi_sector);
	struct snap_run run;
	bool mapped, routed = false;
	int r = DM_MAPIO_REMAPPED;

	read_lock(&snap->lock);
	mapped = snap_index_lookup(&snap->index, chunk, &run);
	if (mapped)
		routed = route_mapped(snap, bio, &run, false, &r);
	read_unlock(&snap->lock);
	if (routed)
		return r;

	if (mapped) {
		/* It was being merged: look again with the right to queue. */
		write_lock(&snap->lock);
		mapped = snap_index_lookup(&snap->index, chunk, &run);
		if (mapped)
			route_mapped(snap, bio, &run, true, &r);
		write_unlock(&snap->lock);
		if (mapped)
			return r;
	}

	/* Not, or no longer, in the snapshot; it will not be again. */
	snap_bio_cut(snap, bio, run.old_chunk + run.nr_chunks);
	if (!snap_origin_admit(snap->origin, bio))
		return DM_MAPIO_SUBMITTED;
	remap_to_origin(snap, bio);
	return DM_MAPIO_REMAPPED;
}

void snap_merge_resubmit(struct snapshot *snap, struct bio *bio)
{
	switch (route_write(snap, bio)) {
	case DM_MAPIO_REMAPPED:
		submit_bio_noacct(bio);
		break;
	case DM_MAPIO_KILL:
		bio_io_error(bio);
		break;
	}
}

static int merge_map(struct dm_target *ti, struct bio *bio)
{
	struct snapshot *snap = ti->private;

	snap_bio_of(bio)->tracked = false;
	snap_bio_of(bio)->full = NULL;
	/*
	 * Without the exceptions that it was to take over it does not know what the
	 * volume looks like; nor does one that gave them away.
	 */
	if (READ_ONCE(snap->role) == SNAP_ROLE_SPENT)
		return DM_MAPIO_KILL;
	if (bio->bi_opf & REQ_PREFLUSH) {
		if (dm_bio_get_target_bio_nr(bio))
			bio_set_dev(bio, snap_cow_bdev(snap));
		else
			remap_to_origin(snap, bio);
		return DM_MAPIO_REMAPPED;
	}
	if (bio_op(bio) == REQ_OP_DISCARD) {
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	if (bio_data_dir(bio) == READ)
		return route_read(snap, bio);
	snap_origin_cut_write(bio);
	return route_write(snap, bio);
}

static int merge_end_io(struct dm_target *ti, struct bio *bio,
			blk_status_t *error)
{
	struct snapshot *snap = ti->private;
	struct snap_bio *sb = snap_bio_of(bio);

	if (sb->tracked) {
		sb->tracked = false;
		snap_tracked_end(&snap->tracked, &sb->tracked_io);
	}
	return DM_ENDIO_DONE;
}

static int merge_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct snapshot *snap;
	int r = snapshot_create(ti, argc, argv, true, &snap);

	if (r)
		return r;
	ti->private = snap;
	ti->num_flush_bios = 2;
	ti->per_io_data_size = sizeof(struct snap_bio);
	return 0;
}

static void merge_dtr(struct dm_target *ti)
{
	snapshot_destroy(ti->private);
}

static void merge_presuspend(struct dm_target *ti)
{
	struct snapshot *snap = ti->private;

	snap_origin_stop_waiting(snap->origin, &snap->head,
				 dm_noflush_suspending(ti));
	snap_merge_hold(snap->merge, snap_switch_is_quieting() ?
					     SNAP_MERGE_HOLD_QUIET :
					     SNAP_MERGE_HOLD_SUSPENDED);
}

static void merge_presuspend_undo(struct dm_target *ti)
{
	struct snapshot *snap = ti->private;

	snap_origin_go_on(snap->origin, &snap->head);
	snap_merge_release(snap->merge, SNAP_MERGE_HOLD_SUSPENDED);
}

static void merge_postsuspend(struct dm_target *ti)
{
	struct snapshot *snap = ti->private;

	snap_origin_go_on(snap->origin, &snap->head);
	if (snap_switch_is_quieting())
		snap_merge_release(snap->merge, SNAP_MERGE_HOLD_QUIET);
	else
		WRITE_ONCE(snap->suspended, true);
}

static int merge_preresume(struct dm_target *ti)
{
	return snap_switch_check(ti->private);
}

static void merge_resume(struct dm_target *ti)
{
	struct snapshot *snap = ti->private;

	snap_switch_resume(snap);
	snap_merge_release(snap->merge, SNAP_MERGE_HOLD_SUSPENDED);
}

static void merge_status(struct dm_target *ti, status_type_t type,
			 unsigned int flags, char *result, unsigned int maxlen)
{
	snapshot_status(ti->private, type, result, maxlen);
}

static int merge_iterate_devices(struct dm_target *ti,
				 iterate_devices_callout_fn fn, void *data)
{
	struct snapshot *snap = ti->private;
	int r = fn(ti, snap->origin_dev, 0, ti->len, data);

	if (r)
		return r;
	return fn(ti, snap->cow_dev, 0, bdev_nr_sectors(snap_cow_bdev(snap)),
		  data);
}

struct target_type snap_merge_target = {
	.name = "snapshot-merge",
	.version = { 1, 6, 0 },
	.module = THIS_MODULE,
	.ctr = merge_ctr,
	.dtr = merge_dtr,
	.map = merge_map,
	.end_io = merge_end_io,
	.presuspend = merge_presuspend,
	.presuspend_undo = merge_presuspend_undo,
	.postsuspend = merge_postsuspend,
	.preresume = merge_preresume,
	.resume = merge_resume,
	.status = merge_status,
	.message = snap_message,
	.iterate_devices = merge_iterate_devices,
};
