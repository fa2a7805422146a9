/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builds an exception index from runs that come all at once and in any order: the
 * loading of a store. Per entry it costs a fraction of snap_index_insert(), and the
 * nodes that it leaves are full.
 *
 * First all runs are added, then snap_build_step() is called until it says that
 * the index is done. Like the index it does not allocate: the caller brings nodes in
 * a snap_index_spare, and the table in which the builder notes them. A step is
 * short, some 10^4 entries looked at, so that the caller can reschedule between
 * steps. No locks: a builder has one user.
 */
#ifndef SNAP_CORE_BUILD_H
#define SNAP_CORE_BUILD_H

#include "snap_index.h"

#define SNAP_BUILD_BUCKETS 256

/* The parts within parts that a sort can have; see part_begin(). */
#define SNAP_BUILD_DEPTH 18

/* The spare nodes that one add, or one step, may take at most. */
#define SNAP_BUILD_SPARE 16

enum snap_build_phase {
	SNAP_BUILD_ADD,
	SNAP_BUILD_FIND,
	SNAP_BUILD_COUNT,
	SNAP_BUILD_MOVE,
	SNAP_BUILD_JOIN,
	SNAP_BUILD_TRIM,
	SNAP_BUILD_TREE,
	SNAP_BUILD_DONE,
};

/* Entries up to @end that agree in the bits of @mask. */
struct snap_build_part {
	u64 end;
	u64 mask;
};

/* Some 5 KiB: not for a kernel's stack. The fields are the builder's own. */
struct snap_build {
	void **table;	/* of all nodes, nr_nodes of max_nodes in use */
	u64 max_nodes;
	u64 nr_nodes;
	u64 nr_runs;	/* packed into the nodes */
	u64 nr_chunks;
	struct snap_run run;	 /* added last and not yet packed, or joined last */
	struct snap_run overlap; /* set when a step returns -EEXIST */
	bool ascending;
	u64 last_key;
	u64 diff;	/* bits in which keys differ */

	enum snap_build_phase phase;
	u32 left;	/* work that the step may still do */
	u64 at, pos;	/* the first entry, node that is not done; inside of it */
	u64 out;	/* the end of what is joined, or of a level of the tree */
	u32 height;

	u32 depth;
	struct snap_build_part part[SNAP_BUILD_DEPTH];
	u64 end;	/* of the part that is being sorted */
	u32 shift, bits; /* where in the key the digit is */
	u32 bucket;
	u64 head[SNAP_BUILD_BUCKETS], tail[SNAP_BUILD_BUCKETS];
	u64 key[32], val[32]; /* a small part */
};

void snap_build_init(struct snap_build *build);

/* The table that the next add may need, in pointers; and the larger one that it gets. */
u64 snap_build_table_needed(const struct snap_build *build);

/* Returns the table before, which the caller frees; NULL at first. */
void **snap_build_table_set(struct snap_build *build, void **table, u64 max_nodes);

/*
 * 0; -ERANGE as snap_index_insert(); -ENOMEM when @spare is empty or the table too
 * small: nothing has changed then. Runs that overlap are found later, by the steps.
 */
int snap_build_add(struct snap_build *build, const struct snap_run *run,
		   struct snap_index_spare *spare);

/*
 * Goes on with the making of @index, which is empty until the end. 1: call again. 0:
 * it is done, and the builder is as after snap_build_init(), but for its table.
 * -EEXIST: a chunk of the origin was in two runs; build->overlap is what they both
 * have. -ENOMEM: @spare was empty; more steps may follow. Nodes that turn out not to
 * be needed go to @spare.
 */
int snap_build_step(struct snap_build *build, struct snap_index *index,
		    struct snap_index_spare *spare);

/*
 * For giving up: takes out one node a call, NULL when nothing is left. From the
 * first call on only this function may be used.
 */
void *snap_build_dismantle(struct snap_build *build);

#endif
