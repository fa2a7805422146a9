// SPDX-License-Identifier: GPL-2.0-only
/* One snapshot: making it, taking it apart, its health and its status. */
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "merge.h"
#include "nodes.h"
#include "origin.h"
#include "registry.h"
#include "snap_format.h"
#include "snapshot.h"

void snap_health_raise(struct snapshot *snap, enum snap_health health,
		       const char *why)
{
	if (health <= snap->health)
		return;
	if (health == SNAP_OVERFLOW)
		DMWARN("%s: overflow: %s; it can be read, but not written; extend the COW device and load the table again",
		       dm_table_device_name(snap->ti->table), why);
	else if (health == SNAP_INVALIDATING)
		DMERR("%s: snapshot is lost: %s; the origin is unharmed; remove the snapshot",
		      dm_table_device_name(snap->ti->table), why);
	WRITE_ONCE(snap->health, health);
	/* Invalidating is told when it is on disk. */
	if (health == SNAP_OVERFLOW)
		snap_event_raise(snap, SNAP_GENL_EVENT_OVERFLOW);
	else if (health == SNAP_INVALID)
		snap_event_raise(snap, SNAP_GENL_EVENT_INVALID);
	snap_worker_kick(snap);
	/* What waits for space needs none any more. */
	snap_space_kick(snap);
}

/* Opens both devices and checks that the table line can be meant for them. */
static int open_devices(struct snapshot *snap, bool merging)
{
	struct dm_target *ti = snap->ti;
	struct snap_args *args = &snap->args;
	blk_mode_t origin_mode = BLK_OPEN_READ;
	const char *fault;
	dev_t cow_devt;
	int r;

	if (merging)
		origin_mode |= BLK_OPEN_WRITE;
	r = dm_get_device(ti, args->origin_path, origin_mode, &snap->origin_dev);
	if (r) {
		ti->error = "Cannot get origin device";
		return r;
	}
	r = snap_devt_from_path(args->cow_path, &cow_devt);
	if (r) {
		ti->error = "Cannot get COW device";
		goto out_origin;
	}
	/*
	 * Before the second is opened: opened again in another mode, a device gets a
	 * new struct dm_dev, and the one we hold is freed.
	 */
	if (cow_devt == snap->origin_dev->bdev->bd_dev) {
		ti->error = "COW device and origin must be different devices";
		r = -EINVAL;
		goto out_origin;
	}
	r = dm_get_device(ti, args->cow_path, dm_table_get_mode(ti->table),
			  &snap->cow_dev);
	if (r) {
		ti->error = "Cannot get COW device";
		goto out_origin;
	}
	r = -EINVAL;
	if (args->chunk_sectors) {
		fault = snap_chunk_sectors_fault(
			args->chunk_sectors,
			bdev_logical_block_size(snap->origin_dev->bdev),
			bdev_logical_block_size(snap->cow_dev->bdev));
		if (fault) {
			ti->error = (char *)fault;
			goto out_cow;
		}
	}
	return 0;

out_cow:
	dm_put_device(ti, snap->cow_dev);
out_origin:
	dm_put_device(ti, snap->origin_dev);
	return r;
}

static void close_devices(struct snapshot *snap)
{
	dm_put_device(snap->ti, snap->cow_dev);
	dm_put_device(snap->ti, snap->origin_dev);
}

static void init_fields(struct snapshot *snap, struct dm_target *ti)
{
	snap->ti = ti;
	rwlock_init(&snap->lock);
	snap_index_init(&snap->index);
	snap->pending = RB_ROOT;
	INIT_LIST_HEAD(&snap->fifo);
	bio_list_init(&snap->invalidating_bios);
	snap_tracked_init(&snap->tracked);
	snap_worker_init(snap);
	snap_space_setup(snap);
	snap_events_setup(snap);
	INIT_LIST_HEAD(&snap->draining);
	snap_index_spare_init(&snap->spare);
	init_waitqueue_head(&snap->idle);
	INIT_LIST_HEAD(&snap->registered);
	INIT_LIST_HEAD(&snap->on_origin);
	INIT_LIST_HEAD(&snap->head.list);
	INIT_LIST_HEAD(&snap->head.stopping);
}

static int create_store(struct snapshot *snap)
{
	struct snap_store_params params = {
		.bdev = snap_cow_bdev(snap),
		.chunk_sectors = snap->args.chunk_sectors,
		.origin_block_bytes =
			bdev_logical_block_size(snap->origin_dev->bdev),
		/*
		 * LVM2 loads this table before the origin's own is live: the origin has
		 * no size yet then.
		 */
		.origin_sectors = max(bdev_nr_sectors(snap->origin_dev->bdev),
				      snap->ti->begin + snap->ti->len),
	};

	return snap->args.store_type->create(&params, &snap->store,
					     &snap->ti->error);
}

static int create_pools(struct snapshot *snap)
{
	int r = snap_nodes_pool_init(&snap->node_pool);

	if (r)
		goto out;
	r = snap_pending_pool_init(&snap->pending_pool);
	if (r)
		goto out_nodes;
	snap->wq = alloc_workqueue("snap_%s", WQ_MEM_RECLAIM | WQ_UNBOUND, 0,
				   snap->cow_dev->name);
	if (!snap->wq) {
		r = -ENOMEM;
		goto out_pending;
	}
	return 0;

out_pending:
	mempool_exit(&snap->pending_pool);
out_nodes:
	mempool_exit(&snap->node_pool);
out:
	snap->ti->error = "Cannot allocate the pools of the snapshot";
	return r;
}

static void destroy_pools(struct snapshot *snap)
{
	destroy_workqueue(snap->wq);
	mempool_exit(&snap->pending_pool);
	mempool_exit(&snap->node_pool);
}

static int load(struct snapshot *snap)
{
	int r = snap->store->type->load(snap->store, &snap->index,
					&snap->ti->error);

	if (r < 0)
		return r;
	if (r == SNAP_LOAD_INVALIDATED)
		snap->health = SNAP_INVALID;
	return 0;
}

int snapshot_create(struct dm_target *ti, unsigned int argc, char **argv,
		    bool merging, struct snapshot **result)
{
	struct snapshot *snap = kzalloc(sizeof(*snap), GFP_KERNEL);
	int r;

	if (!snap) {
		ti->error = "Cannot allocate the snapshot";
		return -ENOMEM;
	}
	init_fields(snap, ti);
	r = snap_args_parse(ti, argc, argv, merging, &snap->args);
	if (r)
		goto out_free;
	r = open_devices(snap, merging);
	if (r)
		goto out_free;
	r = create_store(snap);
	if (r)
		goto out_devices;
	r = create_pools(snap);
	if (r)
		goto out_store;
	if (merging) {
		r = -ENOMEM;
		snap->merge = snap_merge_create(snap);
		if (!snap->merge) {
			ti->error = "Cannot allocate the merge";
			goto out_pools;
		}
	}
	snap->origin = snap_registry_get_origin(snap->origin_dev->bdev);
	if (IS_ERR(snap->origin)) {
		ti->error = "Cannot allocate the origin";
		r = PTR_ERR(snap->origin);
		goto out_merge;
	}
	r = snap_registry_enter(snap, &ti->error);
	if (r)
		goto out_origin;
	if (snap->role == SNAP_ROLE_OWNER) {
		r = load(snap);
		if (r)
			goto out_registered;
	}
	*result = snap;
	return 0;

out_registered:
	snap_registry_leave(snap);
out_origin:
	snap_registry_put_origin(snap->origin);
out_merge:
	snap_merge_destroy(snap->merge);
out_pools:
	destroy_pools(snap);
out_store:
	snap->store->type->destroy(snap->store);
out_devices:
	close_devices(snap);
out_free:
	kfree(snap);
	return r;
}

static bool idle(struct snapshot *snap)
{
	bool is;

	read_lock(&snap->lock);
	is = !snap->nr_pending;
	read_unlock(&snap->lock);
	return is;
}

void snapshot_leave_origin(struct snapshot *snap)
{
	lockdep_assert_held(&snap_registry_lock);
	snap_origin_leave(snap->origin, &snap->on_origin);
	if (snap->origin->merging == snap)
		snap->origin->merging = NULL;
}

void snapshot_rest(struct snapshot *snap)
{
	wait_event(snap->idle, idle(snap));
	/* The last callback may still be about to kick the worker. */
	synchronize_rcu();
	/*
	 * Somebody who is the worker still does it in one of these. Not by one flush: a
	 * work that queues itself again is over before that.
	 */
	while (snap_turns_raised(&snap->turns)) {
		flush_work(&snap->origin->work);
		flush_work(&snap->work);
	}
	flush_work(&snap->work);
}

void snapshot_destroy(struct snapshot *snap)
{
	if (snap->merge)
		snap_merge_hold(snap->merge, SNAP_MERGE_HOLD_SUSPENDED);
	snap_registry_del_head(&snap->head);
	mutex_lock(&snap_registry_lock);
	snapshot_leave_origin(snap);
	mutex_unlock(&snap_registry_lock);
	snap_space_leave(snap);
	snapshot_rest(snap);
	snap_events_flush(snap);
	/* Only now may another table read what is on the COW device. */
	snap_registry_leave(snap);

	/*
	 * The mirror of snapshot_create(). The queue goes before the origin: its last
	 * work may still touch it.
	 */
	snap_nodes_free_index(&snap->index);
	snap_nodes_drain(&snap->spare);
	destroy_pools(snap);
	snap_registry_put_origin(snap->origin);
	snap_merge_destroy(snap->merge);
	snap->store->type->destroy(snap->store);
	close_devices(snap);
	kfree(snap);
}

static void emit_info(struct snapshot *snap, char *result, unsigned int maxlen)
{
	struct snap_usage usage;
	unsigned int sz = 0;

	read_lock(&snap->lock);
	if (snap->health >= SNAP_INVALIDATING) {
		DMEMIT("Invalid");
	} else if (snap->merge && snap_merge_failed(snap->merge)) {
		DMEMIT("Merge failed");
	} else if (snap->health == SNAP_OVERFLOW) {
		DMEMIT("Overflow");
	} else if (READ_ONCE(snap->role) == SNAP_ROLE_WAITING) {
		DMEMIT("Unknown");
	} else {
		snap->store->type->usage(snap->store, &usage);
		DMEMIT("%llu/%llu %llu", usage.allocated_sectors,
		       usage.total_sectors, usage.metadata_sectors);
	}
	read_unlock(&snap->lock);
}

static void emit_ima(struct snapshot *snap, char *result, unsigned int maxlen)
{
	bool merge_failed = snap->merge && snap_merge_failed(snap->merge);
	enum snap_health health = snap_health_of(snap);
	unsigned int sz = 0;

	DMEMIT_TARGET_NAME_VERSION(snap->ti->type);
	DMEMIT(",snap_origin_name=%s", snap->origin_dev->name);
	DMEMIT(",snap_cow_name=%s", snap->cow_dev->name);
	DMEMIT(",snap_valid=%c", health < SNAP_INVALIDATING ? 'y' : 'n');
	DMEMIT(",snap_merge_failed=%c", merge_failed ? 'y' : 'n');
	DMEMIT(",snapshot_overflowed=%c", health == SNAP_OVERFLOW ? 'y' : 'n');
	DMEMIT(";");
}

void snapshot_status(struct snapshot *snap, status_type_t type, char *result,
		     unsigned int maxlen)
{
	struct snap_args args;
	unsigned int sz = 0;
	u32 chunk_sectors;

	switch (type) {
	case STATUSTYPE_INFO:
		emit_info(snap, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		read_lock(&snap->lock);
		chunk_sectors = snap->store->chunk_sectors;
		args = snap->args;
		read_unlock(&snap->lock);
		DMEMIT("%s %s", snap->origin_dev->name, snap->cow_dev->name);
		snap_args_emit(&args, chunk_sectors, result, sz, maxlen);
		break;
	case STATUSTYPE_IMA:
		emit_ima(snap, result, maxlen);
		break;
	}
}
