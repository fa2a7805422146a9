// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the entries of a persistent store: all of them, when a snapshot is
 * activated. So what counts is the time per entry.
 *
 * The areas lie apart, each a piece or more to read. Reads are many at a time, in a
 * ring: half of them is under way while the other half is taken in.
 *
 * The entries go into a builder of the index (core/snap_build.h), which is also who
 * finds a chunk of the origin that is named twice. Chunks of the COW device that are
 * named twice are found by an index of those that were: they were handed out in
 * order, so they arrive as a few long runs.
 */
#include <linux/device-mapper.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include "meta_io.h"
#include "nodes.h"
#include "snap_build.h"
#include "store_load.h"

/* Pieces under way at once, at most, and their memory. */
#define LOAD_READS 64
#define LOAD_BYTES SZ_1M

struct load_read {
	struct snap_meta_read io;
	void *data;
	u64 area;
	u32 first;
};

struct loader {
	struct snap_load_areas *areas;

	struct snap_build build;
	struct snap_index_spare spare;

	/* New chunks: seen; seen last, and the first that cannot follow these. */
	struct snap_index targets;
	struct snap_run target;
	chunk_t target_limit;

	/* Read n is in slot n % nr_slots. */
	struct load_read *reads[LOAD_READS];
	u32 nr_slots;
	u64 nr_started;
	u64 nr_taken;
	u64 next_area; /* of the next read */
	u32 next_first;
};

static size_t piece_bytes(const struct snap_load_areas *areas)
{
	return (size_t)areas->piece_entries * SNAP_ENTRY_BYTES;
}

static bool all_zero(const struct snap_entry_disk *entries, u32 nr)
{
	return !memchr_inv(entries, 0, (size_t)nr * SNAP_ENTRY_BYTES);
}

static int entry_is_bad(const struct snap_load_areas *areas, u64 area,
			u32 entry, chunk_t old_chunk, chunk_t new_chunk,
			const char *fault)
{
	DMERR("%pg: corrupt exception store: area %llu entry %u (chunk %llu -> %llu): %s",
	      areas->bdev, area, entry, old_chunk, new_chunk, fault);
	return -EINVAL;
}

static int target_is_used_twice(struct loader *ld)
{
	chunk_t first = ld->target.old_chunk;
	chunk_t end = first + ld->target.nr_chunks;
	struct snap_run seen;

	if (snap_index_next(&ld->targets, first, &seen)) {
		first = max(first, seen.old_chunk);
		end = min(end, seen.old_chunk + seen.nr_chunks);
	}
	DMERR("%pg: corrupt exception store: chunk %llu of the COW device is used twice (at or within %llu chunks after it)",
	      ld->areas->bdev, first, end - first);
	return -EINVAL;
}

/* Enters the targets seen last. */
static int targets_flush(struct loader *ld)
{
	struct snap_load_areas *areas = ld->areas;
	int r;

	if (!ld->target.nr_chunks)
		return 0;
	areas->highest = max(areas->highest, ld->target.old_chunk +
					     ld->target.nr_chunks - 1);
	r = snap_nodes_fill(&ld->spare, snap_index_spare_needed(&ld->targets));
	if (!r)
		r = snap_index_insert(&ld->targets, &ld->target, &ld->spare);
	return r == -EEXIST ? target_is_used_twice(ld) : r;
}

/* A target that does not follow the one before. */
static int targets_begin(struct loader *ld, chunk_t new_chunk)
{
	const struct snap_geometry *geo = ld->areas->geo;
	int r = targets_flush(ld);

	ld->target.old_chunk = new_chunk;
	ld->target.new_chunk = new_chunk;
	ld->target.nr_chunks = 0;
	ld->target_limit = min3(new_chunk + snap_chunks_to_metadata(geo, new_chunk),
				geo->nr_chunks,
				new_chunk + SNAP_INDEX_MAX_RUN);
	return r;
}

static int index_add(struct loader *ld, const struct snap_run *run)
{
	int r = snap_build_add(&ld->build, run, &ld->spare);

	if (r != -ENOMEM)
		return r;
	r = snap_nodes_fill_build(&ld->build, &ld->spare);
	return r ? r : snap_build_add(&ld->build, run, &ld->spare);
}

/* How many of @nr entries are the run that the first one, @run, begins. */
static u32 run_length(const struct snap_entry_disk *entries, u32 nr,
		      const struct snap_run *run)
{
	u32 i;

	for (i = 1; i < nr; i++) {
		if (entries[i].old_chunk != cpu_to_le64(run->old_chunk + i) ||
		    entries[i].new_chunk != cpu_to_le64(run->new_chunk + i))
			break;
	}
	return i;
}

/*
 * Takes the entry @run, and of the @nr from there on those that make up a run with it:
 * how many, in *@taken.
 */
static int take_run(struct loader *ld, u64 area, u32 entry,
		    const struct snap_entry_disk *entries, u32 nr,
		    struct snap_run *run, u32 *taken)
{
	struct snap_load_areas *areas = ld->areas;
	const char *fault;
	int r;

	/* Nearly always false: the check divides, and below is a tree. */
	if (run->new_chunk != ld->target.old_chunk + ld->target.nr_chunks ||
	    run->new_chunk >= ld->target_limit ||
	    run->old_chunk >= areas->origin_chunks) {
		fault = snap_entry_fault(areas->geo, areas->origin_chunks,
					 run->old_chunk, run->new_chunk);
		if (fault)
			return entry_is_bad(areas, area, entry, run->old_chunk,
					    run->new_chunk, fault);
		r = targets_begin(ld, run->new_chunk);
		if (r)
			return r;
	}
	/* What is good up to here; the entry behind is checked by itself. */
	nr = min3((u64)nr, ld->target_limit - run->new_chunk,
		  areas->origin_chunks - run->old_chunk);
	*taken = run_length(entries, nr, run);
	run->nr_chunks = *taken;
	ld->target.nr_chunks += *taken;
	return index_add(ld, run);
}

/*
 * Takes in one piece's worth of entries. 1: met the terminator, which is where
 * the store ends. 0: go on. -errno.
 */
static int take_piece(struct loader *ld, u64 area, u32 first,
		      struct snap_entry_disk *entries)
{
	struct snap_load_areas *areas = ld->areas;
	u32 nr = areas->piece_entries;
	u32 i, taken;

	for (i = 0; i < nr; i += taken) {
		struct snap_run run;
		int r;

		snap_entry_unpack(&entries[i], &run.old_chunk, &run.new_chunk);
		if (!run.new_chunk)
			break;
		r = take_run(ld, area, first + i, &entries[i], nr - i, &run,
			     &taken);
		if (r)
			return r;
	}
	if (i == nr)
		return 0;

	areas->area = area;
	areas->piece_first = first;
	areas->used = first + i;
	areas->stale = !all_zero(&entries[i], nr - i);
	memset(&entries[i], 0, (size_t)(nr - i) * SNAP_ENTRY_BYTES);
	memcpy(areas->piece, entries, piece_bytes(areas));
	return 1;
}

static void reads_free(struct loader *ld)
{
	u32 i;

	for (i = 0; i < LOAD_READS && ld->reads[i]; i++) {
		snap_meta_free(ld->reads[i]->data);
		kfree(ld->reads[i]);
	}
}

static int reads_alloc(struct loader *ld)
{
	size_t bytes = piece_bytes(ld->areas);
	u32 i;

	ld->nr_slots = clamp_t(size_t, LOAD_BYTES / bytes, 4, LOAD_READS);
	for (i = 0; i < ld->nr_slots; i++) {
		ld->reads[i] = kzalloc(sizeof(*ld->reads[i]), GFP_KERNEL);
		if (!ld->reads[i])
			return -ENOMEM;
		ld->reads[i]->data = snap_meta_alloc(bytes);
		if (!ld->reads[i]->data)
			return -ENOMEM;
		snap_meta_io_init(&ld->reads[i]->io.io, ld->areas->bdev);
	}
	return 0;
}

/* False: the next piece lies beyond the end of the device. */
static bool read_start(struct loader *ld)
{
	struct snap_load_areas *areas = ld->areas;
	struct load_read *read = ld->reads[ld->nr_started % ld->nr_slots];

	if (snap_area_chunk(areas->geo, ld->next_area) >= areas->geo->nr_chunks)
		return false;
	read->area = ld->next_area;
	read->first = ld->next_first;
	snap_meta_read_start(&read->io,
			     snap_entry_sector(areas->geo, read->area,
					       read->first),
			     read->data, piece_bytes(areas));
	ld->nr_started++;
	ld->next_first += areas->piece_entries;
	if (ld->next_first == areas->geo->entries_per_area) {
		ld->next_first = 0;
		ld->next_area++;
	}
	return true;
}

/*
 * No more reads are under way than were of use before, so that what is read
 * behind the end of a store is no more than the store. They are started many at a
 * time, under a plug, because telling a device about requests costs more than a request.
 */
static void reads_start(struct loader *ld)
{
	u64 most = min_t(u64, ld->nr_taken + 1, ld->nr_slots);
	struct blk_plug plug;

	if (ld->nr_started - ld->nr_taken > most / 2)
		return;
	blk_start_plug(&plug);
	while (ld->nr_started - ld->nr_taken < most && read_start(ld))
		;
	blk_finish_plug(&plug);
}

/* Waits for the oldest read. */
static int read_wait(struct loader *ld, struct load_read **read)
{
	*read = ld->reads[ld->nr_taken++ % ld->nr_slots];
	return snap_meta_read_wait(&(*read)->io);
}

/* 1: all entries are in. -errno. */
static int take_areas(struct loader *ld)
{
	struct load_read *read;
	int r = 0;

	while (!r) {
		reads_start(ld);
		if (ld->nr_started == ld->nr_taken) {
			DMERR("%pg: corrupt exception store: area %llu is full and the next one would lie beyond the end of the device (%llu chunks)",
			      ld->areas->bdev, ld->next_area - 1,
			      ld->areas->geo->nr_chunks);
			return -EINVAL;
		}
		r = read_wait(ld, &read);
		if (!r)
			r = take_piece(ld, read->area, read->first,
					read->data);
		cond_resched();
	}
	while (ld->nr_started != ld->nr_taken)
		read_wait(ld, &read);
	return r;
}

/*
 * Looks behind the piece, where the area is larger: entries of a torn write may
 * be left there.
 */
static int look_for_stale(struct loader *ld)
{
	struct snap_load_areas *areas = ld->areas;
	u32 first = areas->piece_first + areas->piece_entries;
	struct load_read *read = ld->reads[0];

	while (!areas->stale && first < areas->geo->entries_per_area) {
		int r = snap_meta_rw(&read->io.io, REQ_OP_READ,
				     snap_entry_sector(areas->geo, areas->area,
						   first),
				     read->data, piece_bytes(areas));
		if (r)
			return r;
		areas->stale = !all_zero(read->data, areas->piece_entries);
		first += areas->piece_entries;
		cond_resched();
	}
	return 0;
}

static int build_index(struct loader *ld, struct snap_index *index)
{
	const struct snap_run *twice = &ld->build.overlap;
	int r = snap_nodes_fill_build(&ld->build, &ld->spare);

	if (r)
		return r;
	do {
		r = snap_nodes_fill(&ld->spare, SNAP_BUILD_SPARE);
		if (!r)
			r = snap_build_step(&ld->build, index, &ld->spare);
		cond_resched();
	} while (r > 0);
	if (r != -EEXIST)
		return r;
	DMERR("%pg: corrupt exception store: chunk %llu of the origin has two exceptions (at or within %llu chunks after it)",
	      ld->areas->bdev, twice->old_chunk, twice->nr_chunks);
	return -EINVAL;
}

int snap_load_areas(struct snap_load_areas *areas, struct snap_index *index)
{
	struct loader *ld = kvzalloc(sizeof(*ld), GFP_KERNEL);
	int r;

	if (!ld)
		return -ENOMEM;
	ld->areas = areas;
	snap_build_init(&ld->build);
	snap_index_init(&ld->targets);
	snap_index_spare_init(&ld->spare);
	areas->highest = 1;

	r = reads_alloc(ld);
	if (!r)
		r = take_areas(ld);
	if (r == 1)
		r = targets_flush(ld);
	if (!r)
		r = look_for_stale(ld);
	if (!r)
		r = build_index(ld, index);

	reads_free(ld);
	snap_nodes_free_index(&ld->targets);
	snap_nodes_free_build(&ld->build);
	snap_nodes_drain(&ld->spare);
	kvfree(ld);
	return r;
}
