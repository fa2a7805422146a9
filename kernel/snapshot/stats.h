/* SPDX-License-Identifier: GPL-2.0-only */
/* The figures of a snapshot at one moment, for the message `stats` and for netlink. */
#ifndef SNAP_STATS_FIGURES_H
#define SNAP_STATS_FIGURES_H

#include "snap_genl.h"
#include "store.h"

struct snapshot;

/* Fields as the attributes of the same names in uapi/snap_genl.h. */
struct snap_stats {
	struct snap_usage usage;
	u32 flags; /* SNAP_GENL_F_* */
	u64 fill_rate;
	u64 low_water_sectors;
	u64 exceptions;
	u64 copies;
	u64 copied_bytes;
	u64 shared_copies;
	u64 commits;
	u64 waits;
	u64 wait_ns;
	u64 space_waits;
	u64 space_wait_ns;
	u64 waiting;
	u64 latency[SNAP_GENL_LATENCY_BUCKETS];
	u64 merge_rate_kib;
};

void snap_stats_get(struct snapshot *snap, struct snap_stats *stats);

#endif
