// SPDX-License-Identifier: GPL-2.0-only
/* Telling the world what happened to a snapshot. */
#include <linux/device-mapper.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>
#include "events.h"
#include "genl.h"
#include "snapshot.h"

/*
 * Not the queue of the snapshot: its works serve I/O, and neither a reader of
 * netlink nor device-mapper's lock for events shall hold them up.
 */
static struct workqueue_struct *events_wq;

int snap_events_init(void)
{
	events_wq = alloc_workqueue("snap_events", WQ_MEM_RECLAIM | WQ_UNBOUND,
				    0);
	return events_wq ? 0 : -ENOMEM;
}

void snap_events_exit(void)
{
	destroy_workqueue(events_wq);
}

/* The earliest of @due. */
static unsigned int first_of(const struct snap_events *events,
			     unsigned long due)
{
	unsigned int first = 0, i;

	for (i = 1; i <= SNAP_GENL_EVENT_MAX; i++) {
		if (due & BIT(i) &&
		    (!first || READ_ONCE(events->when_ns[i]) <
				       READ_ONCE(events->when_ns[first])))
			first = i;
	}
	return first;
}

static void tell(struct work_struct *work)
{
	struct snapshot *snap =
		container_of(work, struct snapshot, events.work);
	struct snap_events *events = &snap->events;
	unsigned int noio = memalloc_noio_save();
	unsigned long due = xchg(&events->due, 0);
	bool state_changed = due & ~BIT(SNAP_GENL_EVENT_MERGE_PROGRESS);

	while (due) {
		unsigned int event = first_of(events, due);

		due &= ~BIT(event);
		snap_genl_tell(snap, event, READ_ONCE(events->when_ns[event]));
	}
	if (state_changed)
		dm_table_event(snap->ti->table);
	memalloc_noio_restore(noio);
}

void snap_events_setup(struct snapshot *snap)
{
	BUILD_BUG_ON(SNAP_GENL_EVENT_MAX >= BITS_PER_LONG);
	INIT_WORK(&snap->events.work, tell);
}

void snap_event_raise(struct snapshot *snap, enum snap_genl_event event)
{
	WRITE_ONCE(snap->events.when_ns[event], ktime_get_ns());
	/* The time is there before the bit. */
	smp_mb__before_atomic();
	set_bit(event, &snap->events.due);
	queue_work(events_wq, &snap->events.work);
}

void snap_events_flush(struct snapshot *snap)
{
	flush_work(&snap->events.work);
}
