// SPDX-License-Identifier: GPL-2.0-only
/* The module: what is set up, and in which order. */
#include <linux/device-mapper.h>
#include <linux/module.h>
#include "events.h"
#include "genl.h"
#include "nodes.h"
#include "pending.h"
#include "preserved.h"
#include "snapshot.h"

static struct target_type *const targets[] = {
	&snap_snapshot_target,
	&snap_origin_target,
	&snap_merge_target,
};

static void unregister_targets(size_t nr)
{
	while (nr--)
		dm_unregister_target(targets[nr]);
}

static int __init snap_init(void)
{
	size_t i;
	int r;

	r = snap_nodes_init();
	if (r)
		return r;
	r = snap_preserved_init();
	if (r)
		goto out_nodes;
	r = snap_pending_init();
	if (r)
		goto out_preserved;
	r = snap_events_init();
	if (r)
		goto out_pending;
	r = snap_genl_init();
	if (r)
		goto out_events;
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		r = dm_register_target(targets[i]);
		if (r)
			goto out_targets;
	}
	return 0;

out_targets:
	unregister_targets(i);
	snap_genl_exit();
out_events:
	snap_events_exit();
out_pending:
	snap_pending_exit();
out_preserved:
	snap_preserved_exit();
out_nodes:
	snap_nodes_exit();
	return r;
}

static void __exit snap_exit(void)
{
	unregister_targets(ARRAY_SIZE(targets));
	snap_genl_exit();
	snap_events_exit();
	snap_pending_exit();
	snap_preserved_exit();
	snap_nodes_exit();
}

module_init(snap_init);
module_exit(snap_exit);

MODULE_DESCRIPTION("Device-mapper snapshots: snapshot, snapshot-origin, snapshot-merge (snapctl)");
MODULE_AUTHOR("The snapctl developers");
MODULE_VERSION(SNAP_MODULE_VERSION);
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-snapshot-origin");
MODULE_ALIAS("dm-snapshot-merge");
