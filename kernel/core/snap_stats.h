/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a snapshot counts: waits, times of first writes, the rate at which it fills. Pure
 * arithmetic; times are nanoseconds of a clock that never goes back.
 */
#ifndef SNAP_CORE_STATS_H
#define SNAP_CORE_STATS_H

#include "snap_types.h"

/*
 * Bios that wait, and the sum of their times, without a time per bio: the sum of
 * all waits is the integral of the number of those who wait.
 */
struct snap_waits {
	u64 nr;	      /* that ever waited */
	u64 total_ns; /* up to changed_ns */
	u64 changed_ns;
	u64 now_waiting;
};

void snap_waits_begin(struct snap_waits *waits, u64 now_ns, u64 nr);
/* @nr of those that wait go on; never more than there are. */
void snap_waits_end(struct snap_waits *waits, u64 now_ns, u64 nr);
u64 snap_waits_ns(const struct snap_waits *waits, u64 now_ns);

/* 0: less than 1 microsecond; i: 2^(i-1) up to less than 2^i; at most @nr - 1. */
u32 snap_latency_bucket(u64 ns, u32 nr);

/*
 * Bytes per second, over windows of SNAP_RATE_WINDOW_NS. A full window counts half, what
 * was before it the other half; after a long rest only the new counts.
 */
#define SNAP_RATE_WINDOW_NS 100000000ULL

struct snap_rate {
	u64 start_ns; /* of the window; 0: none yet */
	u64 bytes;    /* in the window */
	u64 per_second;
};

void snap_rate_add(struct snap_rate *rate, u64 now_ns, u64 bytes);
u64 snap_rate_get(const struct snap_rate *rate, u64 now_ns);

#endif
