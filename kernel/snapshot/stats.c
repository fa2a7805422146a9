// SPDX-License-Identifier: GPL-2.0-only
/* The figures of a snapshot at one moment. */
#include <linux/ktime.h>
#include "merge.h"
#include "snapshot.h"
#include "stats.h"

static u32 flags_of(const struct snapshot *snap)
{
	u32 flags = 0;

	if (snap->health >= SNAP_INVALIDATING)
		flags |= SNAP_GENL_F_INVALID;
	else if (snap->health == SNAP_OVERFLOW)
		flags |= SNAP_GENL_F_OVERFLOW;
	if (snap->space.waiting)
		flags |= SNAP_GENL_F_NO_SPACE;
	if (snap->args.queue_if_no_space)
		flags |= SNAP_GENL_F_QUEUE;
	if (READ_ONCE(snap->suspended))
		flags |= SNAP_GENL_F_SUSPENDED;
	if (snap->merge)
		flags |= SNAP_GENL_F_MERGE | snap_merge_flags(snap->merge);
	return flags;
}

void snap_stats_get(struct snapshot *snap, struct snap_stats *stats)
{
	const struct snap_counters *counters = &snap->counters;
	u64 now = ktime_get_ns();

	memset(stats, 0, sizeof(*stats));
	read_lock(&snap->lock);
	snap->store->type->usage(snap->store, &stats->usage);
	stats->flags = flags_of(snap);
	stats->fill_rate = snap_rate_get(&counters->fill, now);
	stats->low_water_sectors = snap->args.low_water_sectors;
	if (snap_space_is_low(snap, &stats->usage))
		stats->flags |= SNAP_GENL_F_LOW_WATER;
	stats->exceptions = snap->index.nr_chunks;
	stats->copies = counters->copies;
	stats->copied_bytes = counters->copied_bytes;
	stats->shared_copies = counters->shared_copies;
	stats->commits = counters->commits;
	stats->waits = counters->waits.nr;
	stats->wait_ns = snap_waits_ns(&counters->waits, now);
	stats->space_waits = counters->space_waits.nr;
	stats->space_wait_ns = snap_waits_ns(&counters->space_waits, now);
	stats->waiting = counters->space_waits.now_waiting;
	memcpy(stats->latency, counters->latency, sizeof(stats->latency));
	read_unlock(&snap->lock);
	if (snap->merge)
		stats->merge_rate_kib = snap_merge_rate(snap->merge);
}
