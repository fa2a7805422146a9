/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Telling the world: device-mapper's event and the message on generic netlink.
 * Raising is cheap and allowed anywhere; the telling is done by a work of its
 * own, so that no I/O waits for it.
 */
#ifndef SNAP_EVENTS_H
#define SNAP_EVENTS_H

#include <linux/workqueue.h>
#include "snap_genl.h"

struct snapshot;

struct snap_events {
	struct work_struct work;
	unsigned long due; /* bits of enum snap_genl_event */
	u64 when_ns[SNAP_GENL_EVENT_MAX + 1];
};

int snap_events_init(void);
void snap_events_exit(void);

void snap_events_setup(struct snapshot *snap);

/* Any context. What is raised again before it was told is told once. */
void snap_event_raise(struct snapshot *snap, enum snap_genl_event event);

/* Returns when all that was raised has been told. Sleeps. */
void snap_events_flush(struct snapshot *snap);

#endif
