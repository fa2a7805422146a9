// SPDX-License-Identifier: GPL-2.0-only
/* The origins in use, and the snapshots by COW device. */
#include <linux/wait.h>
#include "merge.h"
#include "origin.h"
#include "registry.h"
#include "snapshot.h"

DEFINE_MUTEX(snap_registry_lock);

/* Few, and looked through by constructors only. */
static LIST_HEAD(origins);
static LIST_HEAD(snapshots); /* in the order of their serials */
static u64 last_serial;

/* The one of this device, or @made where there is none; with one user more. */
static struct snap_origin *use_origin(dev_t devt, struct snap_origin *made)
{
	struct snap_origin *origin;

	mutex_lock(&snap_registry_lock);
	list_for_each_entry(origin, &origins, list)
		if (origin->devt == devt)
			goto found;
	origin = made;
	if (origin)
		list_add(&origin->list, &origins);
found:
	if (origin)
		origin->nr_users++;
	mutex_unlock(&snap_registry_lock);
	return origin;
}

struct snap_origin *snap_registry_get_origin(struct block_device *bdev)
{
	struct snap_origin *origin, *made;

	origin = use_origin(bdev->bd_dev, NULL);
	if (origin)
		return origin;
	/*
	 * Not under the lock, which a suspended device may need to be resumed: the threads
	 * that are made allocate as they like, and that may wait for I/O to such a device.
	 */
	made = snap_origin_create(bdev);
	if (IS_ERR(made))
		return made;
	origin = use_origin(bdev->bd_dev, made);
	if (origin != made)
		snap_origin_free(made);
	return origin;
}

void snap_registry_put_origin(struct snap_origin *origin)
{
	bool last;

	mutex_lock(&snap_registry_lock);
	last = !--origin->nr_users;
	if (last)
		list_del(&origin->list);
	mutex_unlock(&snap_registry_lock);
	if (last)
		snap_origin_free(origin);
}

/* Can @snap take the exceptions of @src at its resume? */
static int may_take_over(const struct snapshot *snap, const struct snapshot *src,
			 char **error)
{
	if (src->origin != snap->origin) {
		*error = "COW device is in use by a snapshot of another origin";
		return -EINVAL;
	}
	if (src->store->type != snap->store->type) {
		*error = "COW device is in use by a snapshot with another type of exception store";
		return -EINVAL;
	}
	if (snap->args.chunk_sectors &&
	    snap->args.chunk_sectors != src->store->chunk_sectors)
		DMWARN("%s: the live snapshot has chunks of %u sectors, the table says %u: using those of the snapshot",
		       snap->cow_dev->name, src->store->chunk_sectors,
		       snap->args.chunk_sectors);
	return 0;
}

static int find_source(struct snapshot *snap, struct snapshot **src,
		       char **error)
{
	dev_t cow = snap_cow_bdev(snap)->bd_dev;
	struct snapshot *other;

	*src = NULL;
	list_for_each_entry(other, &snapshots, registered) {
		if (snap_cow_bdev(other)->bd_dev != cow ||
		    other->role == SNAP_ROLE_SPENT)
			continue;
		if (other->role == SNAP_ROLE_WAITING || !other->resumed) {
			*error = "COW device is named by another table that was loaded but not resumed";
			return -EINVAL;
		}
		*src = other;
	}
	return *src ? may_take_over(snap, *src, error) : 0;
}

int snap_registry_enter(struct snapshot *snap, char **error)
{
	struct snapshot *src;
	int r;

	mutex_lock(&snap_registry_lock);
	r = find_source(snap, &src, error);
	if (r)
		goto out;
	if (snap->merge && snap->origin->merging &&
	    snap->origin->merging != src) {
		*error = "Another snapshot is being merged into this origin";
		r = -EINVAL;
		goto out;
	}
	snap->serial = ++last_serial;
	snap->role = src ? SNAP_ROLE_WAITING : SNAP_ROLE_OWNER;
	if (src) {
		snap->peer = src;
		src->peer = snap;
		/* For what device-mapper asks before the resume; whoever reads it has the source's. */
		if (src->store->chunk_sectors)
			snap_store_set_chunk(snap->store,
					     src->store->chunk_sectors);
	}
	/* From now on it is the one; a source that merges stays it until then. */
	if (snap->merge && !snap->origin->merging)
		snap->origin->merging = snap;
	list_add_tail(&snap->registered, &snapshots);
out:
	mutex_unlock(&snap_registry_lock);
	return r;
}

static DECLARE_WAIT_QUEUE_HEAD(taken_wait);

void snap_registry_lock_untaken(struct snapshot *snap)
{
	mutex_lock(&snap_registry_lock);
	while (snap->being_taken) {
		mutex_unlock(&snap_registry_lock);
		wait_event(taken_wait, !READ_ONCE(snap->being_taken));
		mutex_lock(&snap_registry_lock);
	}
}

void snap_registry_taken(struct snapshot *snap)
{
	lockdep_assert_held(&snap_registry_lock);
	WRITE_ONCE(snap->being_taken, false);
	wake_up_all(&taken_wait);
}

void snap_registry_leave(struct snapshot *snap)
{
	snap_registry_lock_untaken(snap);
	list_del(&snap->registered);
	if (snap->origin->merging == snap)
		snap->origin->merging = NULL;
	if (snap->peer) {
		snap->peer->peer = NULL;
		snap->peer = NULL;
	}
	mutex_unlock(&snap_registry_lock);
}

int snap_registry_walk(u64 *serial, int (*fn)(struct snapshot *snap, void *context),
		       void *context)
{
	struct snapshot *snap;
	int r = 0;

	mutex_lock(&snap_registry_lock);
	list_for_each_entry(snap, &snapshots, registered) {
		if (snap->serial <= *serial || !snap->resumed || snap->succeeded)
			continue;
		r = fn(snap, context);
		if (r)
			break;
		*serial = snap->serial;
	}
	mutex_unlock(&snap_registry_lock);
	return r;
}

void snap_registry_add_head(struct snap_origin *origin, struct snap_head *head,
			    struct dm_target *ti)
{
	lockdep_assert_held(&snap_registry_lock);
	if (list_empty(&head->list)) {
		head->ti = ti;
		head->md = dm_table_get_md(ti->table);
		list_add_tail(&head->list, &origin->heads);
	}
}

void snap_registry_del_head(struct snap_head *head)
{
	mutex_lock(&snap_registry_lock);
	list_del_init(&head->list);
	mutex_unlock(&snap_registry_lock);
}
