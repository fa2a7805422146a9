/* SPDX-License-Identifier: GPL-2.0-only */
/* The table line of snapshot and snapshot-merge. */
#ifndef SNAP_ARGS_H
#define SNAP_ARGS_H

#include <linux/device-mapper.h>
#include "store.h"

struct snap_args {
	const char *origin_path; /* valid during the constructor */
	const char *cow_path;
	const struct snap_store_type *store_type;
	bool userspace_supports_overflow; /* the O of PO */
	u32 chunk_sectors;		  /* 0: the store's default */
	bool discard_zeroes_cow;
	bool discard_passdown_origin;

	/* Messages change the first two, under snap->lock. */
	bool queue_if_no_space;
	u64 low_water_sectors; /* 0: no mark */
	u32 no_space_timeout;  /* in seconds, 0: for ever */
	bool no_space_timeout_given;

	/* Of snapshot-merge only. Messages change them, under snap->lock. */
	u64 merge_rate_kib; /* per second, 0: no limit */
	bool merge_rate_given; /* in the line, 0 too; a message does not count */
	bool merge_paused;
};

#define SNAP_MERGE_MAX_RATE_KIB (1ULL << 40)

#define SNAP_NO_SPACE_TIMEOUT_DEFAULT 60

/*
 * Parses a table line. 0, or -EINVAL with ti->error set. The chunk size has been
 * parsed, but not compared with any device.
 */
int snap_args_parse(struct dm_target *ti, unsigned int argc, char **argv,
		    bool merging, struct snap_args *args);

/* Prints the part behind the devices as it was parsed. Returns the new length. */
unsigned int snap_args_emit(const struct snap_args *args, u32 chunk_sectors,
			    char *result, unsigned int sz, unsigned int maxlen);

#endif
