// SPDX-License-Identifier: GPL-2.0-only
/* The table line of snapshot and snapshot-merge. */
#include <linux/ctype.h>
#include <linux/kstrtox.h>
#include "args.h"
#include "snap_format.h"

static int parse_store(struct dm_target *ti, const char *word, bool merging,
		       struct snap_args *args)
{
	char letter[2] = { word[0], '\0' };

	args->store_type = snap_store_type_find(letter);
	if (!args->store_type) {
		ti->error = "Exception store type is not P, PO or N";
		return -EINVAL;
	}
	if (word[1]) {
		if (!args->store_type->persistent || toupper(word[1]) != 'O' ||
		    word[2]) {
			ti->error = "Unknown letter behind the exception store type";
			return -EINVAL;
		}
		args->userspace_supports_overflow = true;
	}
	if (merging && !args->store_type->persistent) {
		ti->error = "A transient snapshot cannot be merged";
		return -EINVAL;
	}
	return 0;
}

static int parse_chunk(struct dm_target *ti, const char *word,
		       struct snap_args *args)
{
	const char *fault;

	if (kstrtouint(word, 10, &args->chunk_sectors)) {
		ti->error = "Invalid chunk size";
		return -EINVAL;
	}
	if (!args->chunk_sectors) {
		if (args->store_type->persistent)
			return 0;
		ti->error = "A transient store needs a chunk size";
		return -EINVAL;
	}
	/* Against the devices it is checked once they are open. */
	fault = snap_chunk_sectors_fault(args->chunk_sectors, SECTOR_SIZE,
					 SECTOR_SIZE);
	if (fault) {
		ti->error = (char *)fault;
		return -EINVAL;
	}
	return 0;
}

/* The word behind a feature, as a number. @nr: the words that are left. */
static int parse_feature_u64(struct dm_target *ti, struct dm_arg_set *as,
			     unsigned int *nr, char *error, u64 *value)
{
	if (!*nr || kstrtou64(dm_shift_arg(as), 10, value)) {
		ti->error = error;
		return -EINVAL;
	}
	(*nr)--;
	return 0;
}

static int parse_feature(struct dm_target *ti, struct dm_arg_set *as,
			 unsigned int *nr, bool merging,
			 struct snap_args *args)
{
	const char *word = dm_shift_arg(as);
	u64 seconds;
	int r = 0;

	(*nr)--;
	if (!strcasecmp(word, "discard_zeroes_cow")) {
		args->discard_zeroes_cow = true;
	} else if (!strcasecmp(word, "discard_passdown_origin")) {
		args->discard_passdown_origin = true;
	} else if (!strcasecmp(word, "queue_if_no_space")) {
		args->queue_if_no_space = true;
	} else if (!strcasecmp(word, "low_water_mark")) {
		r = parse_feature_u64(ti, as, nr,
				      "low_water_mark needs a number of sectors",
				      &args->low_water_sectors);
	} else if (!strcasecmp(word, "no_space_timeout")) {
		r = parse_feature_u64(ti, as, nr,
				      "no_space_timeout needs a number of seconds",
				      &seconds);
		if (!r && seconds > INT_MAX) {
			ti->error = "no_space_timeout is too long";
			r = -EINVAL;
		}
		args->no_space_timeout = seconds;
		args->no_space_timeout_given = true;
	} else if (merging && !strcasecmp(word, "merge_paused")) {
		args->merge_paused = true;
	} else if (merging && !strcasecmp(word, "merge_rate")) {
		r = parse_feature_u64(ti, as, nr,
				      "merge_rate needs a number of KiB a second",
				      &args->merge_rate_kib);
		args->merge_rate_given = true;
		if (!r && args->merge_rate_kib > SNAP_MERGE_MAX_RATE_KIB) {
			ti->error = "merge_rate is too high";
			r = -EINVAL;
		}
	} else {
		ti->error = "Unknown feature";
		r = -EINVAL;
	}
	return r;
}

static int parse_features(struct dm_target *ti, struct dm_arg_set *as,
			  bool merging, struct snap_args *args)
{
	static const struct dm_arg counts[] = {
		{ 0, 10, "Invalid number of feature arguments" },
	};
	unsigned int nr;
	int r;

	if (!as->argc)
		return 0;
	r = dm_read_arg_group(counts, as, &nr, &ti->error);
	if (r)
		return -EINVAL;
	while (nr) {
		r = parse_feature(ti, as, &nr, merging, args);
		if (r)
			return r;
	}
	if (args->discard_passdown_origin && !args->discard_zeroes_cow) {
		ti->error = "discard_passdown_origin needs discard_zeroes_cow";
		return -EINVAL;
	}
	if (as->argc) {
		ti->error = "Too many arguments";
		return -EINVAL;
	}
	return 0;
}

int snap_args_parse(struct dm_target *ti, unsigned int argc, char **argv,
		    bool merging, struct snap_args *args)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	int r;

	memset(args, 0, sizeof(*args));
	args->no_space_timeout = SNAP_NO_SPACE_TIMEOUT_DEFAULT;
	if (argc < 4) {
		ti->error = "Not enough arguments: origin, COW device, store type and chunk size are needed";
		return -EINVAL;
	}
	args->origin_path = dm_shift_arg(&as);
	args->cow_path = dm_shift_arg(&as);
	r = parse_store(ti, dm_shift_arg(&as), merging, args);
	if (r)
		return r;
	r = parse_chunk(ti, dm_shift_arg(&as), args);
	if (r)
		return r;
	return parse_features(ti, &as, merging, args);
}

unsigned int snap_args_emit(const struct snap_args *args, u32 chunk_sectors,
			    char *result, unsigned int sz, unsigned int maxlen)
{
	unsigned int nr = args->discard_zeroes_cow +
			  args->discard_passdown_origin +
			  args->queue_if_no_space +
			  2 * !!args->low_water_sectors +
			  2 * args->no_space_timeout_given +
			  2 * !!args->merge_rate_kib + args->merge_paused;

	DMEMIT(" %s%s %u", args->store_type->name,
	       args->userspace_supports_overflow ? "O" : "", chunk_sectors);
	if (nr)
		DMEMIT(" %u", nr);
	if (args->discard_zeroes_cow)
		DMEMIT(" discard_zeroes_cow");
	if (args->discard_passdown_origin)
		DMEMIT(" discard_passdown_origin");
	if (args->queue_if_no_space)
		DMEMIT(" queue_if_no_space");
	if (args->low_water_sectors)
		DMEMIT(" low_water_mark %llu", args->low_water_sectors);
	if (args->no_space_timeout_given)
		DMEMIT(" no_space_timeout %u", args->no_space_timeout);
	if (args->merge_rate_kib)
		DMEMIT(" merge_rate %llu", args->merge_rate_kib);
	if (args->merge_paused)
		DMEMIT(" merge_paused");
	return sz;
}
