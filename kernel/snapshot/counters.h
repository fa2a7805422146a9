/* SPDX-License-Identifier: GPL-2.0-only */
/* What a snapshot counts for stats and for the dump. */
#ifndef SNAP_COUNTERS_H
#define SNAP_COUNTERS_H

#include "snap_genl.h"
#include "snap_stats.h"

/* Under snap->lock. A table that takes over another's exceptions takes these too. */
struct snap_counters {
	u64 copies;
	u64 copied_bytes;
	u64 shared_copies;
	u64 commits;
	struct snap_waits waits;       /* for a copy or a commit */
	struct snap_waits space_waits; /* for room */
	u64 latency[SNAP_GENL_LATENCY_BUCKETS];
	struct snap_rate fill;
};

#endif
