// SPDX-License-Identifier: GPL-2.0-only
/*
 * Room on the COW device. Who finds none waits here, if the table says so, until
 * the device has grown, time is up or its own device is to be suspended. See
 * "Waiting for space" in docs/design.md.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>
#include "origin.h"
#include "snapshot.h"
#include "space.h"

/* Nobody tells us that a device has grown. */
#define LOOK_INTERVAL (HZ / 20 ?: 1)

bool snap_space_queues(const struct snapshot *snap)
{
	return snap->args.queue_if_no_space &&
	       !atomic_read(&snap->origin->nr_must_end);
}

static void look_soon(struct snapshot *snap, unsigned long delay)
{
	mod_delayed_work(snap->wq, &snap->space.look, delay);
}

void snap_space_kick(struct snapshot *snap)
{
	lockdep_assert_held_write(&snap->lock);
	if (snap->space.waiting)
		look_soon(snap, 0);
}

static void begin_wait(struct snapshot *snap)
{
	struct snap_space *space = &snap->space;

	if (space->waiting)
		return;
	space->waiting = true;
	DMWARN("%s: the COW device is full: writes wait for space",
	       dm_table_device_name(snap->ti->table));
	snap_event_raise(snap, SNAP_GENL_EVENT_NO_SPACE);
	look_soon(snap, LOOK_INTERVAL);
}

static bool merge_waits(const struct snapshot *snap)
{
	return snap->space.for_merge && READ_ONCE(snap->origin->merge_waits);
}

static bool own_waits(const struct snapshot *snap)
{
	return !snap_waiting_none(&snap->space.own_bios);
}

static bool origin_waits(const struct snapshot *snap)
{
	return !snap_waiting_none(&snap->space.origin_bios) || merge_waits(snap);
}

static void queue_own(struct snapshot *snap, struct bio *bio)
{
	if (!own_waits(snap))
		snap->space.own_since_ns = ktime_get_ns();
	snap_waiting_add(&snap->space.own_bios, &snap->counters.space_waits, bio);
	begin_wait(snap);
}

static void queue_origin(struct snapshot *snap, struct bio *bio)
{
	if (!origin_waits(snap))
		snap->space.origin_since_ns = ktime_get_ns();
	snap_waiting_add(&snap->space.origin_bios, &snap->counters.space_waits, bio);
	begin_wait(snap);
}

void snap_space_merge_waits(struct snapshot *snap)
{
	lockdep_assert_held_write(&snap->lock);
	if (snap_space_queues(snap)) {
		if (!origin_waits(snap))
			snap->space.origin_since_ns = ktime_get_ns();
		snap->space.for_merge = true;
		begin_wait(snap);
	} else {
		snap_health_raise(snap, SNAP_INVALIDATING,
				  "the COW device is full and a merge writes to the origin");
	}
}

enum snap_no_space snap_space_own_bio(struct snapshot *snap, struct bio *bio)
{
	if (!snap_space_queues(snap))
		return SNAP_NO_SPACE_COSTS;
	switch (snap_stop_now(snap->space.own_stop, snap->ti)) {
	case SNAP_STOP_PUSH_BACK:
		return SNAP_NO_SPACE_PUSHED_BACK;
	case SNAP_STOP_NO_WAIT:
		return SNAP_NO_SPACE_FAILS;
	default:
		queue_own(snap, bio);
		return SNAP_NO_SPACE_WAITS;
	}
}

enum snap_no_space snap_space_origin_bio(struct snapshot *snap,
					 struct bio *bio)
{
	if (!snap_space_queues(snap))
		return SNAP_NO_SPACE_COSTS;
	switch (snap_origin_stop_of(snap->origin, bio)) {
	case SNAP_STOP_PUSH_BACK:
		return SNAP_NO_SPACE_PUSHED_BACK;
	case SNAP_STOP_NO_WAIT:
		return SNAP_NO_SPACE_COSTS;
	default:
		queue_origin(snap, bio);
		return SNAP_NO_SPACE_WAITS;
	}
}

static struct bio_list take(struct snapshot *snap, struct snap_waiting *waiting)
{
	return snap_waiting_take(waiting, &snap->counters.space_waits);
}

static void resubmit(struct snapshot *snap, struct bio_list *own,
		     struct bio_list *origin)
{
	struct blk_plug plug;
	struct bio *bio;

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(origin))) {
		snap_origin_continue(snap->origin, bio);
		cond_resched();
	}
	while ((bio = bio_list_pop(own))) {
		snapshot_resubmit(snap, bio);
		cond_resched();
	}
	blk_finish_plug(&plug);
}

static bool time_is_up(const struct snapshot *snap, u64 since_ns)
{
	u64 timeout_ns = (u64)snap->args.no_space_timeout * NSEC_PER_SEC;

	return !snap->args.queue_if_no_space ||
	       (timeout_ns && ktime_get_ns() - since_ns >= timeout_ns);
}

enum whose { NOBODYS = 0, OWN = 1, ORIGINS = 2, EVERYBODYS = OWN | ORIGINS };

/*
 * Applies the rule to those whose time is up, and to nobody else: a write to the
 * snapshot that goes without room may cost less than one to its origin.
 */
static enum whose time_ends(struct snapshot *snap)
{
	static const char why[] = "the COW device is full, and no space was found in time";

	if (origin_waits(snap) && time_is_up(snap, snap->space.origin_since_ns))
		snap_health_raise(snap, SNAP_INVALIDATING, why);
	else if (own_waits(snap) && time_is_up(snap, snap->space.own_since_ns))
		snap_health_raise(snap, snapshot_full_health(snap), why);
	else
		return NOBODYS;
	return snap->health >= SNAP_INVALIDATING ? EVERYBODYS : OWN;
}

/*
 * Whose waiting ends? The caller holds the lock. They look again, and find room, or a
 * snapshot that needs none any more.
 */
static enum whose waiting_ends(struct snapshot *snap)
{
	if (!own_waits(snap) && !origin_waits(snap))
		return EVERYBODYS;
	if (snap->health >= SNAP_INVALIDATING)
		return EVERYBODYS;
	if (snap->store->type->has_room(snap->store)) {
		DMINFO("%s: the COW device has room again: writes go on",
		       dm_table_device_name(snap->ti->table));
		snap_event_raise(snap, SNAP_GENL_EVENT_SPACE_FOUND);
		return EVERYBODYS;
	}
	if (snap->health == SNAP_OVERFLOW && own_waits(snap))
		return OWN;
	return time_ends(snap);
}

static void look(struct work_struct *work)
{
	struct snapshot *snap = container_of(to_delayed_work(work),
					     struct snapshot, space.look);
	struct bio_list own = BIO_EMPTY_LIST, origin = BIO_EMPTY_LIST;
	unsigned int noio = memalloc_noio_save();
	enum whose ends = NOBODYS;

	write_lock(&snap->lock);
	if (snap->space.waiting) {
		/* One that was paused begins to wait anew, some day. */
		if (!merge_waits(snap))
			snap->space.for_merge = false;
		ends = waiting_ends(snap);
		if (ends & OWN)
			own = take(snap, &snap->space.own_bios);
		if (ends & ORIGINS) {
			origin = take(snap, &snap->space.origin_bios);
			snap->space.for_merge = false;
		}
		snap->space.waiting = own_waits(snap) || origin_waits(snap);
		if (snap->space.waiting)
			look_soon(snap, LOOK_INTERVAL);
	}
	write_unlock(&snap->lock);
	/* A merge looks again. */
	if (ends & ORIGINS)
		snap_origin_settled(snap->origin);
	resubmit(snap, &own, &origin);
	memalloc_noio_restore(noio);
}

void snap_space_setup(struct snapshot *snap)
{
	INIT_DELAYED_WORK(&snap->space.look, look);
}

/* ---- the low-water mark -------------------------------------------------- */

bool snap_space_is_low(const struct snapshot *snap,
		       const struct snap_usage *usage)
{
	u64 mark = snap->args.low_water_sectors;

	/* A store that shrank may have allocated more than there is. */
	return mark &&
	       (usage->allocated_sectors >= usage->total_sectors ||
		usage->total_sectors - usage->allocated_sectors <= mark);
}

/* Once per crossing: armed again by growth, or above the mark. */
static void check_low_water(struct snapshot *snap)
{
	struct snap_space *space = &snap->space;
	struct snap_usage usage;
	bool low;

	if (!snap->args.low_water_sectors || snap->merge)
		return;
	snap->store->type->usage(snap->store, &usage);
	low = snap_space_is_low(snap, &usage);
	if (usage.total_sectors > space->low_total || !low)
		space->low_armed = true;
	space->low_total = usage.total_sectors;
	if (low && space->low_armed) {
		space->low_armed = false;
		snap_event_raise(snap, SNAP_GENL_EVENT_LOW_WATER);
	}
}

void snap_space_taken(struct snapshot *snap, u64 nr_chunks, u64 now_ns)
{
	lockdep_assert_held_write(&snap->lock);
	snap_rate_add(&snap->counters.fill, now_ns,
		      snap_chunk_to_sector(snap, nr_chunks) << SECTOR_SHIFT);
	check_low_water(snap);
}

void snap_space_set_low_water(struct snapshot *snap, u64 sectors)
{
	write_lock(&snap->lock);
	snap->args.low_water_sectors = sectors;
	snap->space.low_armed = true;
	if (snap->health < SNAP_INVALIDATING)
		check_low_water(snap);
	write_unlock(&snap->lock);
}

void snap_space_resumed(struct snapshot *snap)
{
	write_lock(&snap->lock);
	if (snap->health < SNAP_INVALIDATING)
		check_low_water(snap);
	snap_space_kick(snap);
	write_unlock(&snap->lock);
}

/* ---- messages, suspend, the end ------------------------------------------ */

void snap_space_set_queue(struct snapshot *snap, bool queue)
{
	write_lock(&snap->lock);
	snap->args.queue_if_no_space = queue;
	snap_space_kick(snap);
	write_unlock(&snap->lock);
}

void snap_space_stop_own(struct snapshot *snap, bool noflush)
{
	struct bio_list own, none = BIO_EMPTY_LIST;

	write_lock(&snap->lock);
	snap->space.own_stop = noflush ? SNAP_STOP_PUSH_BACK :
					 SNAP_STOP_NO_WAIT;
	own = take(snap, &snap->space.own_bios);
	write_unlock(&snap->lock);
	resubmit(snap, &own, &none);
}

void snap_space_go_own(struct snapshot *snap)
{
	write_lock(&snap->lock);
	snap->space.own_stop = SNAP_STOP_NOT;
	write_unlock(&snap->lock);
}

void snap_space_take_bios_of(struct snapshot *snap, const struct gendisk *disk,
			     struct bio_list *bios)
{
	struct bio_list all;
	struct bio *bio;
	u64 taken = 0;

	write_lock(&snap->lock);
	all = snap->space.origin_bios.bios;
	snap->space.origin_bios = (struct snap_waiting){};
	while ((bio = bio_list_pop(&all))) {
		if (bio->bi_bdev->bd_disk == disk) {
			bio_list_add(bios, bio);
			taken++;
		} else {
			bio_list_add(&snap->space.origin_bios.bios, bio);
			snap->space.origin_bios.nr++;
		}
	}
	snap_waits_end(&snap->counters.space_waits, ktime_get_ns(), taken);
	write_unlock(&snap->lock);
}

void snap_space_leave(struct snapshot *snap)
{
	struct bio_list origin, none = BIO_EMPTY_LIST;

	write_lock(&snap->lock);
	snap->space.waiting = false;
	origin = take(snap, &snap->space.origin_bios);
	write_unlock(&snap->lock);
	cancel_delayed_work_sync(&snap->space.look);
	snap_origin_settled(snap->origin);
	resubmit(snap, &none, &origin);
}
