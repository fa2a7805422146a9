// SPDX-License-Identifier: GPL-2.0-only
/* The messages to snapshot and snapshot-merge. */
#include <linux/kstrtox.h>
#include "merge.h"
#include "messages.h"
#include "snapshot.h"
#include "stats.h"

static const char *name_of(const struct snapshot *snap)
{
	return dm_table_device_name(snap->ti->table);
}

static void emit_latency(const struct snap_stats *stats, char *result,
			 unsigned int *at, unsigned int maxlen)
{
	unsigned int sz = *at;
	int last = SNAP_GENL_LATENCY_BUCKETS - 1;
	int i;

	while (last > 0 && !stats->latency[last])
		last--;
	for (i = 0; i <= last; i++)
		DMEMIT("%c%llu", i ? ',' : '=', stats->latency[i]);
	*at = sz;
}

/* One line of key=value. New keys may come; their order means nothing. */
static int message_stats(struct snapshot *snap, char *result,
			 unsigned int maxlen)
{
	struct snap_stats stats;
	unsigned int sz = 0;

	snap_stats_get(snap, &stats);
	DMEMIT("allocated=%llu total=%llu metadata=%llu",
	       stats.usage.allocated_sectors, stats.usage.total_sectors,
	       stats.usage.metadata_sectors);
	DMEMIT(" invalid=%u overflow=%u",
	       !!(stats.flags & SNAP_GENL_F_INVALID),
	       !!(stats.flags & SNAP_GENL_F_OVERFLOW));
	DMEMIT(" low_water_mark=%llu low_water=%u no_space=%s waits_for_space=%u",
	       stats.low_water_sectors,
	       !!(stats.flags & SNAP_GENL_F_LOW_WATER),
	       stats.flags & SNAP_GENL_F_QUEUE ? "queue" : "fail",
	       !!(stats.flags & SNAP_GENL_F_NO_SPACE));
	DMEMIT(" fill_rate=%llu exceptions=%llu copies=%llu copied_bytes=%llu shared_copies=%llu commits=%llu",
	       stats.fill_rate, stats.exceptions, stats.copies,
	       stats.copied_bytes, stats.shared_copies, stats.commits);
	DMEMIT(" waits=%llu wait_ns=%llu space_waits=%llu space_wait_ns=%llu waiting=%llu",
	       stats.waits, stats.wait_ns, stats.space_waits,
	       stats.space_wait_ns, stats.waiting);
	if (stats.flags & SNAP_GENL_F_MERGE)
		DMEMIT(" merge_done=%u merge_failed=%u merge_paused=%u merge_rate=%llu",
		       !!(stats.flags & SNAP_GENL_F_MERGE_DONE),
		       !!(stats.flags & SNAP_GENL_F_MERGE_FAILED),
		       !!(stats.flags & SNAP_GENL_F_MERGE_PAUSED),
		       stats.merge_rate_kib);
	DMEMIT(" latency_us_log2");
	emit_latency(&stats, result, &sz, maxlen);
	return 1;
}

static int message_number(struct snapshot *snap, const char *what,
			  const char *word, u64 *value)
{
	if (!kstrtou64(word, 10, value))
		return 0;
	DMERR("%s: message %s: '%s' is not a number", name_of(snap), what,
	      word);
	return -EINVAL;
}

static int message_low_water_mark(struct snapshot *snap, const char *word)
{
	u64 sectors;
	int r = message_number(snap, "low_water_mark", word, &sectors);

	if (!r)
		snap_space_set_low_water(snap, sectors);
	return r;
}

static int message_no_space(struct snapshot *snap, const char *word)
{
	bool queue = !strcasecmp(word, "queue");

	if (!queue && strcasecmp(word, "fail")) {
		DMERR("%s: message no_space: queue or fail is expected, not '%s'",
		      name_of(snap), word);
		return -EINVAL;
	}
	snap_space_set_queue(snap, queue);
	return 0;
}

static int message_merge(struct snapshot *snap, unsigned int argc, char **argv)
{
	u64 rate;
	int r;

	if (!snap->merge) {
		DMERR("%s: message merge: this is not a snapshot-merge",
		      name_of(snap));
		return -EINVAL;
	}
	if (argc == 2 && !strcasecmp(argv[1], "pause")) {
		snap_merge_pause(snap->merge);
		return 0;
	}
	if (argc == 2 && !strcasecmp(argv[1], "resume")) {
		snap_merge_unpause(snap->merge);
		return 0;
	}
	if (argc == 3 && !strcasecmp(argv[1], "rate")) {
		r = message_number(snap, "merge rate", argv[2], &rate);
		if (!r && rate > SNAP_MERGE_MAX_RATE_KIB) {
			DMERR("%s: message merge rate: at most %llu KiB/s",
			      name_of(snap), SNAP_MERGE_MAX_RATE_KIB);
			r = -EINVAL;
		}
		if (!r)
			snap_merge_set_rate(snap->merge, rate);
		return r;
	}
	DMERR("%s: message merge: pause, resume or rate <KiB/s> is expected",
	      name_of(snap));
	return -EINVAL;
}

int snap_message(struct dm_target *ti, unsigned int argc, char **argv,
		 char *result, unsigned int maxlen)
{
	struct snapshot *snap = ti->private;

	if (argc == 1 && !strcasecmp(argv[0], "stats"))
		return message_stats(snap, result, maxlen);
	if (argc == 2 && !strcasecmp(argv[0], "low_water_mark"))
		return message_low_water_mark(snap, argv[1]);
	if (argc == 2 && !strcasecmp(argv[0], "no_space"))
		return message_no_space(snap, argv[1]);
	if (argc && !strcasecmp(argv[0], "merge"))
		return message_merge(snap, argc, argv);
	DMERR("%s: unknown message, or a wrong number of words: '%s'",
	      name_of(snap), argc ? argv[0] : "");
	return -EINVAL;
}
