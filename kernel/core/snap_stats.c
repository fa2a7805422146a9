// SPDX-License-Identifier: GPL-2.0-only
/* What a snapshot counts. */
#include "snap_stats.h"

#define NS_PER_US 1000ULL
#define US_PER_S 1000000ULL

static u64 since(u64 then_ns, u64 now_ns)
{
	/* Two processors may disagree by a little. */
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

u64 snap_waits_ns(const struct snap_waits *waits, u64 now_ns)
{
	return waits->total_ns +
	       waits->now_waiting * since(waits->changed_ns, now_ns);
}

static void snap_waits_advance(struct snap_waits *waits, u64 now_ns)
{
	waits->total_ns = snap_waits_ns(waits, now_ns);
	if (now_ns > waits->changed_ns)
		waits->changed_ns = now_ns;
}

void snap_waits_begin(struct snap_waits *waits, u64 now_ns, u64 nr)
{
	snap_waits_advance(waits, now_ns);
	waits->nr += nr;
	waits->now_waiting += nr;
}

void snap_waits_end(struct snap_waits *waits, u64 now_ns, u64 nr)
{
	snap_waits_advance(waits, now_ns);
	waits->now_waiting -= nr < waits->now_waiting ? nr : waits->now_waiting;
}

u32 snap_latency_bucket(u64 ns, u32 nr)
{
	u64 us = ns / NS_PER_US;
	u32 bucket = 0;

	while (us && bucket + 1 < nr) {
		us >>= 1;
		bucket++;
	}
	return bucket;
}

/* What a window of so many bytes says; as short as a millisecond it says little. */
static u64 snap_rate_sample(u64 bytes, u64 ns)
{
	u64 us = ns / NS_PER_US;

	if (us < 1000)
		us = 1000;
	/* Nobody fills faster than this, and the product must fit. */
	if (bytes > U64_MAX / US_PER_S)
		bytes = U64_MAX / US_PER_S;
	return bytes * US_PER_S / us;
}

/* The rate with the window, of age @ns, closed. */
static u64 snap_rate_closed(const struct snap_rate *rate, u64 ns)
{
	u64 sample = snap_rate_sample(rate->bytes, ns);

	if (!rate->per_second || ns >= 8 * SNAP_RATE_WINDOW_NS)
		return sample;
	return rate->per_second / 2 + sample / 2;
}

u64 snap_rate_get(const struct snap_rate *rate, u64 now_ns)
{
	u64 ns = since(rate->start_ns, now_ns);

	if (!rate->start_ns)
		return 0;
	if (ns >= SNAP_RATE_WINDOW_NS || !rate->per_second)
		return snap_rate_closed(rate, ns);
	return rate->per_second;
}

void snap_rate_add(struct snap_rate *rate, u64 now_ns, u64 bytes)
{
	u64 ns = since(rate->start_ns, now_ns);

	if (!rate->start_ns) {
		rate->start_ns = now_ns ? now_ns : 1;
	} else if (ns >= SNAP_RATE_WINDOW_NS) {
		/* A window that is long because nothing happened starts anew. */
		rate->per_second = ns >= 8 * SNAP_RATE_WINDOW_NS ?
					   0 :
					   snap_rate_closed(rate, ns);
		rate->start_ns = now_ns;
		rate->bytes = 0;
	}
	rate->bytes += bytes;
}
