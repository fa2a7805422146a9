// SPDX-License-Identifier: GPL-2.0-only
/*
 * The moment at which a snapshot comes alive, or takes over from the table before
 * it. The origin stands still for it: a write that did not see the snapshot must
 * be over before it is one, and every later one must see it.
 *
 * Lock order: the suspend lock of the snapshot's device (held by device-mapper
 * around resume) → those of the heads → snap_registry_lock.
 */
#include <linux/device-mapper.h>
#include "merge.h"
#include "nodes.h"
#include "origin.h"
#include "registry.h"
#include "snapshot.h"

/* Devices that show the same origin; more than one is unusual. */
#define MAX_HEADS 8

struct quiet {
	struct mapped_device *mds[MAX_HEADS];
	unsigned int nr;
	bool push_back;
	bool must_end; /* counted in nr_must_end */
};

/* A task that is just stopping a device with the hooks of its targets. */
struct quieter {
	struct list_head list;
	const struct task_struct *task;
};

static LIST_HEAD(quieters);
static DEFINE_SPINLOCK(quieters_lock);

bool snap_switch_is_quieting(void)
{
	struct quieter *quieter;
	bool is = false;

	spin_lock(&quieters_lock);
	list_for_each_entry(quieter, &quieters, list)
		is |= quieter->task == current;
	spin_unlock(&quieters_lock);
	return is;
}

static bool lets_writes_wait(const struct snap_origin *origin)
{
	struct snapshot *snap;
	bool some = false;

	lockdep_assert_held(&snap_registry_lock);
	list_for_each_entry(snap, &origin->snapshots, on_origin)
		some |= READ_ONCE(snap->args.queue_if_no_space);
	return some;
}

/*
 * Bios that wait for space would hold up the quiet. Where a snapshot lets them wait, the
 * heads are suspended without flush, so that device-mapper gets them back. Elsewhere, as ever:
 * the hooks of other targets in the table have no part in it; and no bio may begin to
 * wait until it is over. The caller holds snap_registry_lock.
 */
static void quiet_choose(struct quiet *quiet, struct snap_origin *origin)
{
	quiet->push_back = lets_writes_wait(origin);
	quiet->must_end = !quiet->push_back;
	if (quiet->must_end)
		atomic_inc(&origin->nr_must_end);
}

static void quiet_stop(const struct quiet *quiet, struct mapped_device *md)
{
	struct quieter quieter = { .task = current };

	if (!quiet->push_back) {
		dm_internal_suspend_fast(md);
		return;
	}
	spin_lock(&quieters_lock);
	list_add(&quieter.list, &quieters);
	spin_unlock(&quieters_lock);
	dm_internal_suspend_noflush(md);
	spin_lock(&quieters_lock);
	list_del(&quieter.list);
	spin_unlock(&quieters_lock);
}

static bool quiet_has(const struct quiet *quiet, const struct mapped_device *md)
{
	unsigned int i;

	for (i = 0; i < quiet->nr; i++)
		if (quiet->mds[i] == md)
			return true;
	return false;
}

/* In the order of their addresses, so that two resumes cannot wait for each other. */
static void quiet_insert(struct quiet *quiet, struct mapped_device *md)
{
	unsigned int i = quiet->nr++;

	for (; i && quiet->mds[i - 1] > md; i--)
		quiet->mds[i] = quiet->mds[i - 1];
	quiet->mds[i] = md;
}

/*
 * Adds the heads of @origin that are not in @quiet yet; those that are being
 * destroyed have no I/O. Returns how many were added.
 */
static unsigned int quiet_collect(struct quiet *quiet,
				  struct snap_origin *origin,
				  const struct mapped_device *own)
{
	struct snap_head *head;
	unsigned int added = 0;

	lockdep_assert_held(&snap_registry_lock);
	list_for_each_entry(head, &origin->heads, list) {
		if (head->md == own || quiet_has(quiet, head->md))
			continue;
		if (quiet->nr == MAX_HEADS) {
			DMWARN_LIMIT("more than %u devices show one origin",
				     MAX_HEADS);
			break;
		}
		if (dm_hold(head->md))
			continue;
		quiet_insert(quiet, head->md);
		added++;
	}
	return added;
}

/* From now on writes may wait for space, so that no bio comes before that. */
static void quiet_let_wait(struct quiet *quiet, struct snap_origin *origin)
{
	if (!quiet->must_end)
		return;
	quiet->must_end = false;
	atomic_dec(&origin->nr_must_end);
}

static void quiet_resume(struct quiet *quiet, struct snap_origin *origin)
{
	unsigned int i;

	/* First: a snapshot that came alive meanwhile may be full already. */
	quiet_let_wait(quiet, origin);
	for (i = quiet->nr; i--;) {
		if (quiet->push_back)
			dm_internal_resume(quiet->mds[i]);
		else
			dm_internal_resume_fast(quiet->mds[i]);
	}
}

static void quiet_put(struct quiet *quiet)
{
	while (quiet->nr)
		dm_put(quiet->mds[--quiet->nr]);
}

/* Stops the I/O of all heads; returns with snap_registry_lock held. */
static void quiet_begin(struct quiet *quiet, struct snapshot *snap)
{
	struct mapped_device *own = dm_table_get_md(snap->ti->table);
	struct snap_origin *origin = snap->origin;
	unsigned int i;

	for (;;) {
		struct quiet late;

		quiet->nr = 0;
		mutex_lock(&snap_registry_lock);
		quiet_choose(quiet, origin);
		if (!quiet_collect(quiet, origin, own))
			return;
		late = *quiet;
		mutex_unlock(&snap_registry_lock);
		for (i = 0; i < quiet->nr; i++)
			quiet_stop(quiet, quiet->mds[i]);
		mutex_lock(&snap_registry_lock);
		if (!quiet_collect(&late, origin, own) &&
		    (quiet->push_back || !lets_writes_wait(origin)))
			return;
		/* A head, or a snapshot that waits, came meanwhile: again, with all. */
		mutex_unlock(&snap_registry_lock);
		quiet_resume(quiet, origin);
		quiet_put(&late);
	}
}

int snap_switch_check(struct snapshot *snap)
{
	struct snapshot *src, *merging;
	int r = 0;

	mutex_lock(&snap_registry_lock);
	src = snap->role == SNAP_ROLE_WAITING ? snap->peer : NULL;
	merging = snap->origin->merging;
	if (src && !READ_ONCE(src->suspended)) {
		DMERR("%s: cannot take over the exceptions of %s: suspend it first",
		      dm_table_device_name(snap->ti->table),
		      dm_table_device_name(src->ti->table));
		r = -EINVAL;
	} else if (src && src->merge && !snap->merge &&
		   snap_merge_has_limbo(src->merge)) {
		DMERR("%s: cannot take over from a failed merge: remove it first, so that the metadata is read again",
		      dm_table_device_name(snap->ti->table));
		r = -EINVAL;
	} else if (snap->merge && merging && merging != snap && merging != src) {
		DMERR("%s: another snapshot is being merged into this origin",
		      dm_table_device_name(snap->ti->table));
		r = -EINVAL;
	}
	mutex_unlock(&snap_registry_lock);
	return r;
}

/* The highest chunk of the COW device that an exception names, at least 1. */
static chunk_t highest_target(const struct snap_index *index)
{
	struct snap_run run;
	chunk_t highest = 1;
	chunk_t from = 0;

	while (snap_index_next(index, from, &run)) {
		from = run.old_chunk + run.nr_chunks;
		highest = max(highest, run.new_chunk + run.nr_chunks - 1);
		cond_resched();
	}
	return highest;
}

/*
 * Store, index and health change sides. The source stays behind empty and
 * invalid. snap_registry_lock is dropped while its last I/O ends.
 */
static void take_over(struct snapshot *snap, struct snapshot *src)
{
	struct snap_counters counters;
	struct snap_index index;
	struct snap_store *store;
	enum snap_health health;

	/* Keeps it where it is: neither resumed nor destroyed. */
	WRITE_ONCE(src->being_taken, true);
	snapshot_leave_origin(src);
	/* No other merge may begin while the lock is open. */
	if (snap->merge)
		snap->origin->merging = snap;
	mutex_unlock(&snap_registry_lock);
	snap_space_leave(src);
	snapshot_rest(src);
	mutex_lock(&snap_registry_lock);

	write_lock(&src->lock);
	store = src->store;
	index = src->index;
	health = src->health;
	counters = src->counters;
	src->store = snap->store;
	snap_index_init(&src->index);
	WRITE_ONCE(src->health, SNAP_INVALID);
	write_unlock(&src->lock);

	/* An invalid snapshot shows nothing any more, and merges as an empty one. */
	if (health == SNAP_INVALID)
		snap_nodes_free_index(&index);

	if (src->merge && !snap->merge)
		store->type->merge_end(store, highest_target(&index));

	write_lock(&snap->lock);
	snap->store = store;
	snap->index = index;
	snap->counters = counters;
	/* There may be room now. */
	WRITE_ONCE(snap->health, health == SNAP_OVERFLOW ? SNAP_GOOD : health);
	write_unlock(&snap->lock);

	if (snap->merge && src->merge)
		snap_merge_take_over(snap->merge, src->merge);
	WRITE_ONCE(src->role, SNAP_ROLE_SPENT);
	src->peer = NULL;
	snap->peer = NULL;
	src->succeeded = dm_table_get_md(src->ti->table) ==
			 dm_table_get_md(snap->ti->table);
	WRITE_ONCE(snap->role, SNAP_ROLE_OWNER);
	snap_registry_taken(src);
}

/* It could not take over: it has no exceptions, and must not pretend to. */
static void lose(struct snapshot *snap, const char *why)
{
	DMERR("%s: snapshot is invalid: %s; remove this table and load it again",
	      dm_table_device_name(snap->ti->table), why);
	if (snap->peer) {
		snap->peer->peer = NULL;
		snap->peer = NULL;
	}
	if (snap->origin->merging == snap)
		snap->origin->merging = NULL;
	WRITE_ONCE(snap->role, SNAP_ROLE_SPENT);
	write_lock(&snap->lock);
	WRITE_ONCE(snap->health, SNAP_INVALID);
	write_unlock(&snap->lock);
	snap_event_raise(snap, SNAP_GENL_EVENT_INVALID);
}

/* The heads stand still, snap_registry_lock is held. */
static void come_alive(struct snapshot *snap)
{
	struct snapshot *merging = snap->origin->merging;

	snap->sectors = snap->ti->begin + snap->ti->len;
	if (snap->merge && merging && merging != snap && merging != snap->peer) {
		lose(snap, "another one is being merged into its origin");
	} else if (snap->role == SNAP_ROLE_WAITING) {
		if (!snap->peer)
			lose(snap, "the table whose exceptions it was to take over is gone");
		else if (!snap->peer->suspended)
			lose(snap, "the table whose exceptions it was to take over was resumed");
		else
			take_over(snap, snap->peer);
	}
	snap->resumed = true;
	if (snap->role != SNAP_ROLE_OWNER)
		return;
	if (snap->merge) {
		snap->origin->merging = snap;
		snap_registry_add_head(snap->origin, &snap->head, snap->ti);
	} else if (snap_health_of(snap) != SNAP_INVALID) {
		snap_origin_join(snap->origin, &snap->on_origin);
	}
}

/*
 * The merge that must stand still for the switch: its copies are writes to the
 * origin that no suspend of a head stops.
 */
static struct snapshot *merge_to_hold(struct snapshot *snap)
{
	struct snapshot *merging = snap->origin->merging;

	if (!merging || merging == snap || merging == snap->peer ||
	    !merging->resumed)
		return NULL;
	return merging;
}

/*
 * The first resume: the heads and the merge of the origin stand still for it.
 * ->switching keeps further heads from starting while the lock is open.
 */
static void first_resume(struct snapshot *snap)
{
	struct snap_origin *origin = snap->origin;
	struct snapshot *merging;
	struct quiet quiet;

	for (;;) {
		quiet_begin(&quiet, snap);
		if (!origin->switching)
			break;
		mutex_unlock(&snap_registry_lock);
		quiet_resume(&quiet, origin);
		quiet_put(&quiet);
		wait_event(origin->switched, !READ_ONCE(origin->switching));
	}
	WRITE_ONCE(origin->switching, true);
	merging = merge_to_hold(snap);
	if (merging) {
		/* Its device may change tables meanwhile, but not destroy this one. */
		WRITE_ONCE(merging->being_taken, true);
		mutex_unlock(&snap_registry_lock);
		snap_merge_hold(merging->merge, SNAP_MERGE_HOLD_SWITCH);
		mutex_lock(&snap_registry_lock);
	}
	come_alive(snap);
	WRITE_ONCE(origin->switching, false);
	wake_up_all(&origin->switched);
	if (merging) {
		/* A merge may have to wait for space as well. */
		quiet_let_wait(&quiet, origin);
		snap_merge_release(merging->merge, SNAP_MERGE_HOLD_SWITCH);
		snap_registry_taken(merging);
	}
	mutex_unlock(&snap_registry_lock);
	quiet_resume(&quiet, origin);
	quiet_put(&quiet);
}

void snap_switch_resume(struct snapshot *snap)
{
	if (!snap->resumed)
		first_resume(snap);
	snap_registry_lock_untaken(snap);
	WRITE_ONCE(snap->suspended, false);
	mutex_unlock(&snap_registry_lock);
	snap_space_resumed(snap);
}
