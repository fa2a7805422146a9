// SPDX-License-Identifier: GPL-2.0-only
/*
 * The merge worker: batch by batch from the COW device to the origin, last
 * entries first. See "Life of a merge" and "What a crash leaves" in
 * docs/design.md.
 */
#include <linux/blkdev.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "merge.h"
#include "merge_copy.h"
#include "meta_io.h"
#include "nodes.h"
#include "origin.h"
#include "snap_format.h"
#include "snap_merge.h"
#include "snapshot.h"

/* The most that one batch moves, and forgets. */
#define BATCH_BYTES (8ULL << 20)
#define BATCH_ENTRIES (SNAP_META_BYTES / SNAP_ENTRY_BYTES)
/* Writes to the chunks of a batch wait for it: one that takes longer is followed by a smaller one. */
#define BATCH_NS (NSEC_PER_SEC / 8)
#define FIRST_BATCH_ENTRIES 256U

struct snap_merge {
	struct snapshot *snap;
	struct work_struct work;
	unsigned long holds; /* bits of enum snap_merge_hold */
	bool done;

	bool pause_told;       /* the work's own, but for a message that ends it */
	u64 batch_ns;	       /* when the last batch began */
	u64 batch_bytes;       /* and what it moved */
	u32 batch_entries;     /* of the next, at most */
	unsigned long told_at; /* jiffies of the last progress */
	wait_queue_head_t slow; /* waits for the next batch to be due */

	/* Under snap->lock. */
	bool failed;
	bool limbo;
	struct snap_run *runs; /* the batch, sorted by old chunk */
	u32 nr_runs;	       /* 0: nothing is published */
	struct bio_list waiting;

	struct snap_merge_copy *copy;
};

static bool held(struct snap_merge *merge)
{
	return READ_ONCE(merge->holds);
}

bool snap_merge_failed(const struct snap_merge *merge)
{
	return READ_ONCE(merge->failed);
}

bool snap_merge_has_limbo(const struct snap_merge *merge)
{
	return READ_ONCE(merge->limbo);
}

/* The first run of the batch that ends behind @chunk. */
static const struct snap_run *batch_from(const struct snap_merge *merge,
					 chunk_t chunk)
{
	u32 low = 0, high = merge->nr_runs;

	while (low < high) {
		u32 mid = low + (high - low) / 2;
		const struct snap_run *run = &merge->runs[mid];

		if (run->old_chunk + run->nr_chunks > chunk)
			high = mid;
		else
			low = mid + 1;
	}
	return low < merge->nr_runs ? &merge->runs[low] : NULL;
}

enum snap_merge_verdict snap_merge_ask(const struct snap_merge *merge,
				       chunk_t chunk, chunk_t *end)
{
	const struct snap_run *run = batch_from(merge, chunk);

	if (!run || run->old_chunk > chunk) {
		if (run)
			*end = min(*end, run->old_chunk);
		return SNAP_MERGE_WRITE_COW;
	}
	return merge->limbo ? SNAP_MERGE_LIMBO : SNAP_MERGE_WAIT;
}

void snap_merge_queue(struct snap_merge *merge, struct bio *bio)
{
	bio_list_add(&merge->waiting, bio);
}

static void publish(struct snap_merge *merge, u32 nr_runs)
{
	write_lock(&merge->snap->lock);
	merge->nr_runs = nr_runs;
	write_unlock(&merge->snap->lock);
}

static void resubmit_all(struct snap_merge *merge, struct bio_list *bios)
{
	struct blk_plug plug;
	struct bio *bio;

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(bios))) {
		snap_merge_resubmit(merge->snap, bio);
		cond_resched();
	}
	blk_finish_plug(&plug);
}

/* The batch is over: who waited for it looks again. */
static void unpublish(struct snap_merge *merge)
{
	struct bio_list bios;

	write_lock(&merge->snap->lock);
	merge->nr_runs = 0;
	bios = merge->waiting;
	bio_list_init(&merge->waiting);
	write_unlock(&merge->snap->lock);
	resubmit_all(merge, &bios);
}

/*
 * The merge ends here, for good. In limbo the batch stays published: writes to
 * it fail.
 */
static void fail(struct snap_merge *merge, bool limbo, const char *why)
{
	struct snapshot *snap = merge->snap;
	struct bio_list bios = BIO_EMPTY_LIST;

	DMERR("%s: merge failed: %s; reads and writes go on%s",
	      dm_table_device_name(snap->ti->table), why,
	      limbo ? ", except for writes to the chunks of the last batch" : "");
	write_lock(&snap->lock);
	WRITE_ONCE(merge->failed, true);
	WRITE_ONCE(merge->limbo, limbo);
	if (limbo) {
		bios = merge->waiting;
		bio_list_init(&merge->waiting);
	}
	write_unlock(&snap->lock);
	if (limbo)
		resubmit_all(merge, &bios);
	else
		unpublish(merge);
	snap_event_raise(snap, SNAP_GENL_EVENT_MERGE_FAILED);
}

/* What one batch moves: with a limit, not much more than a quarter of a second's. */
static u64 batch_max_bytes(const struct snap_merge *merge)
{
	u64 rate = snap_merge_rate(merge);

	return rate ? clamp(rate << 8, 64ULL << 10, BATCH_BYTES) : BATCH_BYTES;
}

/*
 * Of the @nr entries in merge->runs, in the order of the store, how many at its end can
 * be read at once and are worth it: they fill at least half of what is read.
 */
static u32 read_at_once(const struct snap_merge *merge, u32 nr)
{
	u32 most = snap_merge_extent_chunks(merge->snap), fit = 0;
	chunk_t first = U64_MAX, last = 0;

	while (fit < nr) {
		chunk_t chunk = merge->runs[nr - fit - 1].new_chunk;

		first = min(first, chunk);
		last = max(last, chunk);
		if (last - first >= most)
			break;
		fit++;
	}
	return fit >= most / 2 ? fit : 0;
}

/* How many runs they are; where others lie between in the store they count as more. */
static u32 count_runs(const struct snap_merge *merge, u32 nr)
{
	u32 nr_runs = nr, i;

	for (i = 1; i < nr; i++) {
		const struct snap_run *run = &merge->runs[i];

		if (run[-1].old_chunk + 1 == run->old_chunk &&
		    run[-1].new_chunk + 1 == run->new_chunk)
			nr_runs--;
	}
	return nr_runs;
}

/* Of @nr entries as above, how many at their end to take: short runs as are read at once. */
static u32 take(const struct snap_merge *merge, u32 nr)
{
	u64 sectors = (u64)nr * merge->snap->store->chunk_sectors;
	u32 at_once = read_at_once(merge, nr);

	if (!at_once || sectors / count_runs(merge, nr) >= SNAP_MERGE_LONG_RUN_SECTORS)
		return nr;
	return at_once;
}

/*
 * What is read of the store now was loaded before, so the index has it. Where it has not,
 * somebody else has written to the COW device. Only this work changes the index.
 */
static bool are_known(const struct snap_merge *merge, u32 nr_runs)
{
	u32 i;

	for (i = 0; i < nr_runs; i++) {
		const struct snap_run *run = &merge->runs[i];
		u64 done = 0;

		if (i && run->old_chunk < run[-1].old_chunk + run[-1].nr_chunks)
			return false;
		while (done < run->nr_chunks) {
			struct snap_run known;

			if (!snap_index_lookup(&merge->snap->index,
					       run->old_chunk + done, &known) ||
			    known.new_chunk != run->new_chunk + done)
				return false;
			done += known.nr_chunks;
		}
		cond_resched();
	}
	return true;
}

/* Plans the next batch into merge->runs. Its entries; 0: none left; -errno. */
static int plan(struct snap_merge *merge, u32 *nr_runs)
{
	struct snap_store *store = merge->snap->store;
	u32 max = snap_merge_batch_entries(merge->batch_entries,
					   store->chunk_sectors,
					   batch_max_bytes(merge));
	int nr = store->type->merge_peek(store, merge->runs, max);
	u32 taken;

	if (nr < 0)
		return nr;
	if (!nr)
		return merge->snap->index.nr_chunks ? -EUCLEAN : 0;
	taken = take(merge, nr);
	memmove(merge->runs, merge->runs + nr - taken,
		taken * sizeof(*merge->runs));
	*nr_runs = snap_merge_plan(merge->runs, taken, SNAP_INDEX_MAX_RUN);
	return are_known(merge, *nr_runs) ? taken : -EUCLEAN;
}

static sector_t run_sector(const struct snap_merge *merge, u32 i)
{
	return snap_chunk_to_sector(merge->snap, merge->runs[i].old_chunk);
}

static sector_t run_sectors(const struct snap_merge *merge, u32 i)
{
	return snap_chunk_to_sector(merge->snap, merge->runs[i].nr_chunks);
}

/* Waits until the other snapshots have what run @i is about to overwrite. */
static bool preserve_run(struct snap_merge *merge, u32 i)
{
	struct snap_origin *origin = merge->snap->origin;
	sector_t first = run_sector(merge, i);
	sector_t nr = run_sectors(merge, i);
	bool ready = false;

	while (!held(merge)) {
		int seq = atomic_read(&origin->settled_seq);

		/* Pairs with the barrier in snap_origin_settled(). */
		smp_mb();
		ready = snap_origin_preserved(origin, first, nr);
		if (ready)
			break;
		WRITE_ONCE(origin->merge_waits, true);
		if (snap_origin_start_missing_for_merge(origin, first, nr) &&
		    !snap_origin_preserved(origin, first, nr))
			wait_event_idle(origin->settled,
					atomic_read(&origin->settled_seq) != seq ||
						held(merge));
		cond_resched();
	}
	WRITE_ONCE(origin->merge_waits, false);
	return ready;
}

/* Waits until no write of the user's is under way into run @i. */
static bool quiet_run(struct snap_merge *merge, u32 i)
{
	struct snap_tracked *tracked = &merge->snap->tracked;
	sector_t first = run_sector(merge, i);
	sector_t nr = run_sectors(merge, i);

	wait_event_idle(tracked->wait,
			snap_tracked_clear_of(tracked, first, nr) ||
				held(merge));
	return snap_tracked_clear_of(tracked, first, nr);
}

/*
 * Waits until the other snapshots have what the batch is about to overwrite. That may
 * take long, so the batch is not published yet: the user's writes need not wait for it.
 * What is preserved stays so, and no snapshot is taken before the merge is held. False:
 * asked to stop; nothing has been changed.
 */
static bool preserve(struct snap_merge *merge, u32 nr_runs)
{
	bool ready = true;
	u32 i;

	for (i = 0; i < nr_runs; i++) {
		snap_origin_start_missing(merge->snap->origin,
					  run_sector(merge, i),
					  run_sectors(merge, i));
		cond_resched();
	}
	for (i = 0; ready && i < nr_runs; i++) {
		ready = preserve_run(merge, i);
		cond_resched();
	}
	return ready;
}

/* Waits until no write of the user's is under way into the batch. As preserve(). */
static bool quiet(struct snap_merge *merge)
{
	struct snap_tracked *tracked = &merge->snap->tracked;
	bool ready = true;
	u32 i;

	snap_tracked_wait_begin(tracked);
	for (i = 0; ready && i < merge->nr_runs; i++)
		ready = quiet_run(merge, i);
	snap_tracked_wait_end(tracked);
	return ready;
}

/* The chunks of the batch belong to the origin now. */
static void forget(struct snap_merge *merge)
{
	struct snapshot *snap = merge->snap;
	u32 i;

	for (i = 0; i < merge->nr_runs; i++) {
		u32 needed = snap_index_spare_needed(&snap->index);
		int r;

		snap_nodes_fill_pool(&snap->spare, needed, &snap->node_pool);
		write_lock(&snap->lock);
		r = snap_index_remove(&snap->index, &merge->runs[i],
				      &snap->spare);
		write_unlock(&snap->lock);
		WARN_ON_ONCE(r);
		snap_nodes_trim(&snap->spare, needed, &snap->node_pool);
		cond_resched();
	}
}

static void begin_batch(struct snap_merge *merge, u32 nr_entries)
{
	merge->batch_ns = ktime_get_ns();
	merge->batch_bytes = snap_chunk_to_sector(merge->snap, nr_entries)
			     << SECTOR_SHIFT;
}

/* An area, where that is small. */
static u32 smallest_batch(const struct snap_merge *merge)
{
	u32 area = (merge->snap->store->chunk_sectors << SECTOR_SHIFT) /
		   SNAP_ENTRY_BYTES;

	return min(area, FIRST_BATCH_ENTRIES);
}

static void end_batch(struct snap_merge *merge)
{
	if (ktime_get_ns() - merge->batch_ns < BATCH_NS)
		merge->batch_entries = min_t(u32, merge->batch_entries * 2,
					     BATCH_ENTRIES);
	else
		merge->batch_entries = max(merge->batch_entries / 2,
					   smallest_batch(merge));
}

/* One batch. True: there may be another. */
static bool merge_batch(struct snap_merge *merge)
{
	struct snapshot *snap = merge->snap;
	u32 nr_runs = 0;
	int nr = plan(merge, &nr_runs);

	if (nr < 0) {
		fail(merge, false,
		     nr == -EUCLEAN ? "the metadata of the COW device is not what it was when it was loaded" :
				      "the metadata of the COW device could not be read");
		return false;
	}
	if (!nr) {
		merge->done = true;
		DMINFO("%s: merge is complete",
		       dm_table_device_name(snap->ti->table));
		snap_event_raise(snap, SNAP_GENL_EVENT_MERGE_DONE);
		return false;
	}

	begin_batch(merge, nr);
	if (!preserve(merge, nr_runs))
		return false;
	publish(merge, nr_runs);
	if (!quiet(merge)) {
		unpublish(merge);
		return false;
	}
	if (snap_merge_copy(merge->copy, merge->runs, nr_runs)) {
		fail(merge, false, "copying from the COW device to the origin");
		return false;
	}
	if (snap->store->type->merge_forget(snap->store, nr)) {
		fail(merge, true, "the metadata of the COW device could not be written");
		return false;
	}
	forget(merge);
	unpublish(merge);
	end_batch(merge);
	if (time_after(jiffies, merge->told_at + HZ)) {
		merge->told_at = jiffies;
		snap_event_raise(snap, SNAP_GENL_EVENT_MERGE_PROGRESS);
	}
	return true;
}

/* The next batch is due when the last one has taken the time that the rate gives it. */
static bool due(struct snap_merge *merge, u64 rate, long *delay)
{
	u64 passed = ktime_get_ns() - merge->batch_ns;
	u64 needed;

	if (!rate)
		return true;
	needed = merge->batch_bytes * (NSEC_PER_SEC >> 10) / rate;
	if (passed >= needed)
		return true;
	*delay = nsecs_to_jiffies(needed - passed) + 1;
	return false;
}

/* Nothing is published meanwhile: nobody waits for it. */
static void keep_rate(struct snap_merge *merge)
{
	for (;;) {
		u64 rate = snap_merge_rate(merge);
		long delay = 0;

		if (held(merge) || due(merge, rate, &delay))
			return;
		wait_event_idle_timeout(merge->slow,
					held(merge) ||
						snap_merge_rate(merge) != rate,
					delay);
	}
}

static void tell_pause(struct snap_merge *merge)
{
	if (test_bit(SNAP_MERGE_HOLD_PAUSED, &merge->holds) &&
	    !READ_ONCE(merge->pause_told)) {
		WRITE_ONCE(merge->pause_told, true);
		snap_event_raise(merge->snap, SNAP_GENL_EVENT_MERGE_PAUSED);
	}
}

static void merge_work(struct work_struct *work)
{
	struct snap_merge *merge = container_of(work, struct snap_merge, work);
	unsigned int noio = memalloc_noio_save();

	if (!merge->batch_entries)
		merge->batch_entries = smallest_batch(merge);
	/* An invalid store merges as an empty one. */
	if (snap_health_of(merge->snap) != SNAP_INVALID) {
		while (!held(merge) && !merge->failed && !merge->done &&
		       merge_batch(merge)) {
			keep_rate(merge);
			cond_resched();
		}
	}
	tell_pause(merge);
	memalloc_noio_restore(noio);
}

struct snap_merge *snap_merge_create(struct snapshot *snap)
{
	struct snap_merge *merge = kzalloc(sizeof(*merge), GFP_KERNEL);

	if (!merge)
		return NULL;
	merge->runs = kvcalloc(BATCH_ENTRIES, sizeof(*merge->runs), GFP_KERNEL);
	merge->copy = snap_merge_copy_create(snap);
	if (!merge->runs || !merge->copy) {
		snap_merge_destroy(merge);
		return NULL;
	}
	merge->snap = snap;
	merge->holds = BIT(SNAP_MERGE_HOLD_SUSPENDED);
	if (snap->args.merge_paused)
		merge->holds |= BIT(SNAP_MERGE_HOLD_PAUSED);
	bio_list_init(&merge->waiting);
	init_waitqueue_head(&merge->slow);
	merge->told_at = jiffies;
	INIT_WORK(&merge->work, merge_work);
	return merge;
}

void snap_merge_destroy(struct snap_merge *merge)
{
	if (!merge)
		return;
	snap_merge_copy_destroy(merge->copy);
	kvfree(merge->runs);
	kfree(merge);
}

static void set_hold(struct snap_merge *merge, enum snap_merge_hold why)
{
	set_bit(why, &merge->holds);
	/* preserve() and quiet() look at held(), and so does keep_rate(). */
	wake_up_all(&merge->snap->origin->settled);
	wake_up_all(&merge->snap->tracked.wait);
	wake_up_all(&merge->slow);
}

void snap_merge_hold(struct snap_merge *merge, enum snap_merge_hold why)
{
	set_hold(merge, why);
	flush_work(&merge->work);
}

/* So that the table line says it. */
static void remember_pause(struct snap_merge *merge, bool paused)
{
	write_lock(&merge->snap->lock);
	merge->snap->args.merge_paused = paused;
	write_unlock(&merge->snap->lock);
}

void snap_merge_pause(struct snap_merge *merge)
{
	remember_pause(merge, true);
	/* A work that was late to tell an earlier pause does not stand for this one. */
	if (!test_bit(SNAP_MERGE_HOLD_PAUSED, &merge->holds))
		WRITE_ONCE(merge->pause_told, false);
	set_hold(merge, SNAP_MERGE_HOLD_PAUSED);
	/* Where it stands still already, somebody has to say so. */
	queue_work(merge->snap->wq, &merge->work);
}

void snap_merge_unpause(struct snap_merge *merge)
{
	remember_pause(merge, false);
	if (!test_and_clear_bit(SNAP_MERGE_HOLD_PAUSED, &merge->holds))
		return;
	WRITE_ONCE(merge->pause_told, false);
	snap_event_raise(merge->snap, SNAP_GENL_EVENT_MERGE_RESUMED);
	if (!held(merge))
		queue_work(merge->snap->wq, &merge->work);
}

void snap_merge_set_rate(struct snap_merge *merge, u64 kib_per_second)
{
	struct snapshot *snap = merge->snap;

	write_lock(&snap->lock);
	WRITE_ONCE(snap->args.merge_rate_kib, kib_per_second);
	write_unlock(&snap->lock);
	wake_up_all(&merge->slow);
}

u64 snap_merge_rate(const struct snap_merge *merge)
{
	return READ_ONCE(merge->snap->args.merge_rate_kib);
}

u32 snap_merge_flags(const struct snap_merge *merge)
{
	return (READ_ONCE(merge->done) ? SNAP_GENL_F_MERGE_DONE : 0) |
	       (READ_ONCE(merge->failed) ? SNAP_GENL_F_MERGE_FAILED : 0) |
	       (test_bit(SNAP_MERGE_HOLD_PAUSED, &merge->holds) ?
			SNAP_GENL_F_MERGE_PAUSED :
			0);
}

void snap_merge_release(struct snap_merge *merge, enum snap_merge_hold why)
{
	clear_bit(why, &merge->holds);
	if (!held(merge))
		queue_work(merge->snap->wq, &merge->work);
}

void snap_merge_take_over(struct snap_merge *to, struct snap_merge *from)
{
	/* A new table may try again what failed, unless it is unknown what is on disk. */
	to->failed = from->limbo;
	to->limbo = from->limbo;
	to->done = from->done;
	/* What the new line does not say stays as it was. */
	if (!to->snap->args.merge_rate_given && !snap_merge_rate(to))
		snap_merge_set_rate(to, snap_merge_rate(from));
	to->pause_told = from->pause_told;
	if (test_bit(SNAP_MERGE_HOLD_PAUSED, &from->holds)) {
		remember_pause(to, true);
		set_bit(SNAP_MERGE_HOLD_PAUSED, &to->holds);
	}
	swap(to->runs, from->runs);
	swap(to->nr_runs, from->nr_runs);
}
