// SPDX-License-Identifier: GPL-2.0-only
/* The target snapshot-origin: reads pass, changes are preserved first. */
#include <linux/slab.h>
#include "origin.h"
#include "registry.h"
#include "snapshot.h"

struct origin_target {
	struct dm_dev *dev;
	struct snap_origin *origin;
	struct snap_head head;
};

static int origin_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct origin_target *ot;
	int r;

	if (argc != 1) {
		ti->error = "Exactly one argument is needed: the origin device";
		return -EINVAL;
	}
	ot = kzalloc(sizeof(*ot), GFP_KERNEL);
	if (!ot) {
		ti->error = "Cannot allocate the origin target";
		return -ENOMEM;
	}
	INIT_LIST_HEAD(&ot->head.list);
	INIT_LIST_HEAD(&ot->head.stopping);
	r = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &ot->dev);
	if (r) {
		ti->error = "Cannot get origin device";
		goto out_free;
	}
	ot->origin = snap_registry_get_origin(ot->dev->bdev);
	if (IS_ERR(ot->origin)) {
		ti->error = "Cannot allocate the origin";
		r = PTR_ERR(ot->origin);
		goto out_dev;
	}
	ti->private = ot;
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	return 0;

out_dev:
	dm_put_device(ti, ot->dev);
out_free:
	kfree(ot);
	return r;
}

static void origin_dtr(struct dm_target *ti)
{
	struct origin_target *ot = ti->private;

	snap_registry_del_head(&ot->head);
	snap_registry_put_origin(ot->origin);
	dm_put_device(ti, ot->dev);
	kfree(ot);
}

static int origin_map(struct dm_target *ti, struct bio *bio)
{
	struct origin_target *ot = ti->private;

	if (!(bio->bi_opf & REQ_PREFLUSH) && bio_data_dir(bio) == WRITE) {
		snap_origin_cut_write(bio);
		if (!snap_origin_admit(ot->origin, bio))
			return DM_MAPIO_SUBMITTED;
	}
	bio_set_dev(bio, ot->dev->bdev);
	return DM_MAPIO_REMAPPED;
}

static void origin_presuspend(struct dm_target *ti)
{
	struct origin_target *ot = ti->private;

	snap_origin_stop_waiting(ot->origin, &ot->head,
				 dm_noflush_suspending(ti));
}

/* Suspended, or not after all. */
static void origin_suspend_over(struct dm_target *ti)
{
	struct origin_target *ot = ti->private;

	snap_origin_go_on(ot->origin, &ot->head);
}

static void origin_resume(struct dm_target *ti)
{
	struct origin_target *ot = ti->private;
	struct snap_origin *origin = ot->origin;

	mutex_lock(&snap_registry_lock);
	while (origin->switching) {
		mutex_unlock(&snap_registry_lock);
		wait_event(origin->switched, !READ_ONCE(origin->switching));
		mutex_lock(&snap_registry_lock);
	}
	snap_registry_add_head(ot->origin, &ot->head, ti);
	mutex_unlock(&snap_registry_lock);
}

static void origin_status(struct dm_target *ti, status_type_t type,
			  unsigned int flags, char *result, unsigned int maxlen)
{
	struct origin_target *ot = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		result[0] = '\0';
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s", ot->dev->name);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",snap_origin_name=%s;", ot->dev->name);
		break;
	}
}

static int origin_iterate_devices(struct dm_target *ti,
				  iterate_devices_callout_fn fn, void *data)
{
	struct origin_target *ot = ti->private;

	return fn(ti, ot->dev, 0, ti->len, data);
}

struct target_type snap_origin_target = {
	.name = "snapshot-origin",
	.version = { 1, 10, 0 },
	.module = THIS_MODULE,
	.ctr = origin_ctr,
	.dtr = origin_dtr,
	.map = origin_map,
	.presuspend = origin_presuspend,
	.presuspend_undo = origin_suspend_over,
	.postsuspend = origin_suspend_over,
	.resume = origin_resume,
	.status = origin_status,
	.iterate_devices = origin_iterate_devices,
};
