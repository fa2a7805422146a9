// SPDX-License-Identifier: GPL-2.0-only
/*
 * Builds an exception index from runs that come all at once.
 *
 * Why not insert them. An insert descends the tree, and where the chunks are
 * scattered nearly every level of that is a cache miss; and it leaves nodes five sixths
 * full. Sorting touches memory in order or nearly so, and whoever knows all runs
 * fills all nodes.
 *
 * The runs are packed, as they come, into the very nodes that become the leaves:
 * there is never a second copy. Entry i is slot i % 32 of node i / 32, found by
 * a table of the nodes that costs a quarter of a byte an entry. Then, in steps:
 *
 *	FIND, COUNT, MOVE	sort the entries by key, unless they came sorted
 *	JOIN			joins what continues, finds overlaps, packs densely
 *	TRIM			gives back the nodes that this left over
 *	TREE			builds the inner levels, each from the one below
 *
 * The sort. In place, most significant digit first ("American flag"): COUNT counts
 * how many entries have which digit, which says where each bucket of them will lie;
 * MOVE takes an entry out of its place, puts it where its bucket grows, takes the
 * one that was there, and so on until the gap is filled. Then each bucket is a
 * part that is sorted by itself: FIND looks for where the next part ends, and for
 * the highest bit in which its keys differ at all. The next digit begins there, so
 * digits that all keys have in common cost nothing. Small parts are sorted by
 * comparing.
 *
 * The order in which entries come can make it neither quadratic nor deep: each
 * level settles at least four bits more of a key of 64, whatever the keys are.
 * That bounds the parts within parts; there is no recursion. All state is in struct
 * snap_build, and each phase can stop after any entry, which is what makes
 * short steps possible.
 *
 * Which was rejected: quicksort (quadratic, or a fallback to heap sort that misses the
 * cache with each compare); sorting by merging or by the least significant digit (a
 * second buffer as large as the index); sorting an array of runs and
 * packing it afterwards (24 bytes an entry beside the index).
 */
#include "snap_build.h"
#include "snap_node.h"

/* Entries looked at in a step, about. */
#define STEP 16384U

/* The largest part that is sorted by comparing. */
#define SMALL 32U

/* The bits of a digit: few entries are not worth many buckets. */
#define MIN_BITS 4U
#define MAX_BITS 8U

/* Keys, or values, in a cache line. */
#define LINE 8U

_Static_assert(1U << MAX_BITS == SNAP_BUILD_BUCKETS, "each digit has a bucket");
_Static_assert(sizeof(((struct snap_build *)NULL)->key) == SMALL * sizeof(u64), "a small part fits");
_Static_assert(64 / MIN_BITS + 2 <= SNAP_BUILD_DEPTH, "each level settles MIN_BITS");

static struct snap_index_node *node_at(const struct snap_build *build, u64 nr)
{
	return build->table[nr];
}

static struct snap_index_node *node_of(const struct snap_build *build, u64 entry)
{
	return node_at(build, entry / SLOTS);
}

static u64 key_of(const struct snap_build *build, u64 entry)
{
	return node_of(build, entry)->key[entry % SLOTS];
}

/* --- Adding ------------------------------------------------------------- */

void snap_build_init(struct snap_build *build)
{
	memset(build, 0, sizeof(*build));
	build->ascending = true;
}

/* What the inner levels above that many leaves need, or a little more. */
static u64 inner_nodes(u64 nr_leaves)
{
	return nr_leaves / (SLOTS - 1) + 16;
}

u64 snap_build_table_needed(const struct snap_build *build)
{
	return build->nr_nodes + 1 + inner_nodes(build->nr_nodes + 1);
}

void **snap_build_table_set(struct snap_build *build, void **table, u64 max_nodes)
{
	void **before = build->table;

	if (build->nr_nodes)
		memcpy(table, before, build->nr_nodes * sizeof(*table));
	build->table = table;
	build->max_nodes = max_nodes;
	return before;
}

/* Packs the run that was added last. */
static int add_run(struct snap_build *build, struct snap_index_spare *spare)
{
	u64 key = run_key(&build->run);
	u32 slot = build->nr_runs % SLOTS;

	if (!slot) {
		if (!spare->nr || build->max_nodes < snap_build_table_needed(build))
			return -ENOMEM;
		build->table[build->nr_nodes++] = snap_index_spare_take(spare);
	}
	slot_pack(node_of(build, build->nr_runs), slot, &build->run);
	if (build->nr_runs++) {
		build->ascending = build->ascending && key > build->last_key;
		build->diff |= key ^ build->last_key;
	}
	build->last_key = key;
	return 0;
}

int snap_build_add(struct snap_build *build, const struct snap_run *run,
		   struct snap_index_spare *spare)
{
	int r;

	if (!range_holds(run->old_chunk, run->nr_chunks) ||
	    !range_holds(run->new_chunk, run->nr_chunks))
		return -ERANGE;

	if (build->run.nr_chunks && run_continues(&build->run, run)) {
		build->run.nr_chunks += run->nr_chunks;
	} else {
		r = build->run.nr_chunks ? add_run(build, spare) : 0;
		if (r)
			return r;
		build->run = *run;
	}
	build->nr_chunks += run->nr_chunks;
	return 0;
}

/* --- Sorting ------------------------------------------------------------ */

/*
 * By counting, for each entry, those that go before it. More compares than insertion
 * would need, but none that a CPU could guess wrongly, and that is twice as fast.
 */
static void sort_small(struct snap_build *build, u64 first, u32 nr)
{
	struct snap_index_node *node;
	u32 i, k, rank;
	u64 key;

	for (i = 0; i < nr; i++) {
		node = node_of(build, first + i);
		build->key[i] = node->key[(first + i) % SLOTS];
		build->val[i] = node->val[(first + i) % SLOTS];
	}
	for (i = 0; i < nr; i++) {
		key = build->key[i];
		rank = 0;
		for (k = 0; k < i; k++)
			rank += build->key[k] <= key;
		for (k = i + 1; k < nr; k++)
			rank += build->key[k] < key;
		node = node_of(build, first + rank);
		node->key[(first + rank) % SLOTS] = key;
		node->val[(first + rank) % SLOTS] = build->val[i];
	}
}

/* The entries from @at to @pos are a part whose keys differ in @diff. */
static void part_begin(struct snap_build *build)
{
	u64 nr = build->pos - build->at;

	build->phase = SNAP_BUILD_FIND;
	if (nr <= SMALL) {
		sort_small(build, build->at, (u32)nr);
		build->left -= build->left < nr ? build->left : (u32)nr;
		build->at = build->pos;
	} else if (!build->diff) { /* for JOIN to complain about */
		build->at = build->pos;
	} else {
		build->phase = SNAP_BUILD_COUNT;
		build->end = build->pos;
		build->pos = build->at;
		build->bits = MIN_BITS;
		while (build->bits < MAX_BITS && nr >> build->bits > SMALL / 2)
			build->bits++;
		build->shift = 0;
		while (build->diff >> build->shift >> build->bits)
			build->shift++;
		memset(build->head, 0, sizeof(build->head[0]) << build->bits);
	}
	build->diff = 0;
}

static void join_begin(struct snap_build *build)
{
	build->at = 0;
	build->out = 0;
	build->phase = SNAP_BUILD_JOIN;
}

/*
 * How many entries from @pos on can be looked at in one go: those before @end in one
 * node, for which the step has work left. They are paid for.
 */
static u32 entries_at_once(struct snap_build *build, u64 end)
{
	u32 nr = SLOTS - build->pos % SLOTS;

	if (nr > end - build->pos)
		nr = (u32)(end - build->pos);
	if (nr > build->left)
		nr = build->left;
	build->left -= nr;
	return nr;
}

/* Looks for the end of the part that begins at @at. */
static void sort_find(struct snap_build *build)
{
	const struct snap_build_part *part = &build->part[build->depth];
	u64 first, diff, all = build->diff;
	const u64 *key;
	u32 i, nr;

	if (build->at == part->end) {
		if (build->depth)
			build->depth--;
		else
			join_begin(build);
		return;
	}
	first = key_of(build, build->at);
	while (build->pos < part->end && build->left) {
		key = &node_of(build, build->pos)->key[build->pos % SLOTS];
		nr = entries_at_once(build, part->end);
		for (i = 0; i < nr; i++) {
			diff = key[i] ^ first;
			if (diff & part->mask) {
				build->pos += i;
				build->diff = all;
				part_begin(build);
				return;
			}
			all |= diff;
		}
		build->pos += nr;
	}
	build->diff = all;
	if (build->pos == part->end)
		part_begin(build);
}

static void sort_count(struct snap_build *build)
{
	u32 mask = (1U << build->bits) - 1, shift = build->shift, i, nr;
	u64 sum = build->at, count;
	const u64 *key;

	while (build->pos < build->end && build->left) {
		key = &node_of(build, build->pos)->key[build->pos % SLOTS];
		nr = entries_at_once(build, build->end);
		for (i = 0; i < nr; i++)
			build->head[(u32)(key[i] >> shift) & mask]++;
		build->pos += nr;
	}
	if (build->pos < build->end)
		return;
	for (i = 0; i <= mask; i++) {
		count = build->head[i];
		build->head[i] = sum;
		sum += count;
		build->tail[i] = sum;
	}
	build->bucket = 0;
	build->phase = SNAP_BUILD_MOVE;
}

/*
 * Where a bucket grows next is not known to the CPU: told a cache line ahead, the memory
 * is there when it does.
 */
static void prefetch_slot(const struct snap_build *build, u64 entry)
{
	const struct snap_index_node *node = node_of(build, entry);

	__builtin_prefetch(&node->key[entry % SLOTS], 1);
	__builtin_prefetch(&node->val[entry % SLOTS], 1);
}

/*
 * Fills the gap at the head of @bucket: with an entry of its own; or, when the step has
 * done enough, with the one that is in the hand then. Returns the work that is left.
 */
static u32 move_one(struct snap_build *build, u32 bucket, u32 left)
{
	u32 mask = (1U << build->bits) - 1, shift = build->shift, slot, to;
	struct snap_index_node *gap = node_of(build, build->head[bucket]), *node;
	u32 gap_slot = build->head[bucket] % SLOTS;
	u64 key = gap->key[gap_slot], val = gap->val[gap_slot], head, tmp;
	void **table = build->table;

	for (to = (u32)(key >> shift) & mask; to != bucket && left; left--) {
		head = build->head[to]++;
		node = table[head / SLOTS];
		slot = head % SLOTS;
		prefetch_slot(build, head + LINE < build->end ? head + LINE : head);
		tmp = node->key[slot];
		node->key[slot] = key;
		key = tmp;
		tmp = node->val[slot];
		node->val[slot] = val;
		val = tmp;
		to = (u32)(key >> shift) & mask;
	}
	gap->key[gap_slot] = key;
	gap->val[gap_slot] = val;
	if (to == bucket)
		build->head[bucket]++;
	return left ? left - 1 : 0;
}

static void sort_move(struct snap_build *build)
{
	u32 left = build->left, bucket = build->bucket;

	while (left && bucket < 1U << build->bits) {
		if (build->head[bucket] < build->tail[bucket])
			left = move_one(build, bucket, left);
		else
			bucket++;
	}
	build->left = left;
	build->bucket = bucket;
	if (bucket < 1U << build->bits)
		return;
	build->depth++;
	build->part[build->depth].end = build->end;
	build->part[build->depth].mask = U64_MAX << build->shift;
	build->pos = build->at;
	build->phase = SNAP_BUILD_FIND;
}

/* --- What is sorted ------------------------------------------------------ */

static void run_unpack(const struct snap_build *build, u64 entry, struct snap_run *run)
{
	slot_unpack(node_of(build, entry), entry % SLOTS, run);
}

static void run_pack(struct snap_build *build, u64 entry, const struct snap_run *run)
{
	slot_pack(node_of(build, entry), entry % SLOTS, run);
}

/* @next begins in @run. */
static int join_overlap(struct snap_build *build, const struct snap_run *run,
			const struct snap_run *next)
{
	u64 rest = run->old_chunk + run->nr_chunks - next->old_chunk;

	build->overlap = *next;
	if (build->overlap.nr_chunks > rest)
		build->overlap.nr_chunks = rest;
	return -EEXIST;
}

/* All runs are in their places: marks the slots behind the last one as unused. */
static void join_end(struct snap_build *build)
{
	u32 rest = build->out % SLOTS;

	build->nr_runs = build->out;
	if (rest)
		slots_clear(node_of(build, build->out), rest, SLOTS - rest);
	build->phase = SNAP_BUILD_TRIM;
}

/* Reads at @at, writes behind @out; @run is what is before @out. */
static int join_runs(struct snap_build *build)
{
	u64 at = build->at, out = build->out, nr_runs = build->nr_runs;
	struct snap_run run = build->run, next;
	u32 left = build->left;

	for (; at < nr_runs && left; at++, left--) {
		run_unpack(build, at, &next);
		if (at) {
			if (next.old_chunk - run.old_chunk < run.nr_chunks)
				return join_overlap(build, &run, &next);
			if (run_continues(&run, &next)) {
				run.nr_chunks += next.nr_chunks;
				run_pack(build, out - 1, &run);
				continue;
			}
		}
		if (out != at)
			run_pack(build, out, &next);
		out++;
		run = next;
	}
	build->at = at;
	build->out = out;
	build->run = run;
	build->left = left;
	if (at == nr_runs)
		join_end(build);
	return 0;
}

static void trim(struct snap_build *build, struct snap_index_spare *spare)
{
	u64 nr_leaves = (build->nr_runs + SLOTS - 1) / SLOTS;

	for (; build->nr_nodes > nr_leaves; build->left--) {
		if (!build->left)
			return;
		snap_index_spare_put(spare, node_at(build, --build->nr_nodes));
	}
	build->at = 0;
	build->out = nr_leaves;
	build->height = 1;
	build->phase = SNAP_BUILD_TREE;
}

/* --- The inner levels ---------------------------------------------------- */

static void fill_inner(struct snap_build *build, struct snap_index_node *node)
{
	const struct snap_index_node *child;
	u32 slot;

	for (slot = 0; slot < SLOTS && build->at < build->out; slot++, build->at++) {
		child = node_at(build, build->at);
		node->key[slot] = child->key[0] & ~LENGTH_MASK;
		node->val[slot] = (uintptr_t)child;
	}
	slots_clear(node, slot, SLOTS - slot);
}

static void finish(struct snap_build *build, struct snap_index *index)
{
	void **table = build->table;
	u64 max_nodes = build->max_nodes;

	index->root = node_at(build, build->nr_nodes - 1);
	index->height = build->height;
	index->nr_runs = build->nr_runs;
	index->nr_chunks = build->nr_chunks;
	index->nr_nodes = build->nr_nodes;
	snap_build_init(build);
	build->table = table;
	build->max_nodes = max_nodes;
	build->phase = SNAP_BUILD_DONE;
}

/* The nodes from @at to @out are children; their parents follow behind @out. */
static int build_tree(struct snap_build *build, struct snap_index *index,
		      struct snap_index_spare *spare)
{
	struct snap_index_node *node;
	u32 nr;

	for (nr = 0; nr < SNAP_BUILD_SPARE; nr++) {
		if (build->at == build->out) { /* on to the next level */
			build->out = build->nr_nodes;
			build->height++;
		}
		if (build->out - build->at == 1 && build->out == build->nr_nodes) {
			finish(build, index);
			return 0;
		}
		node = snap_index_spare_take(spare);
		if (!node)
			return -ENOMEM;
		fill_inner(build, node);
		build->table[build->nr_nodes++] = node;
	}
	build->left = 0;
	return 0;
}

/* --- Steps --------------------------------------------------------------- */

static int begin(struct snap_build *build, struct snap_index_spare *spare)
{
	int r;

	if (!build->run.nr_chunks) {
		build->phase = SNAP_BUILD_DONE;
		return 0;
	}
	r = add_run(build, spare);
	if (r)
		return r;
	if (build->ascending) {
		join_begin(build);
	} else {
		build->part[0].end = build->nr_runs;
		build->part[0].mask = 0;
		build->pos = build->nr_runs;
		part_begin(build);
	}
	return 0;
}

int snap_build_step(struct snap_build *build, struct snap_index *index,
		    struct snap_index_spare *spare)
{
	int r = 0;

	build->left = STEP;
	while (!r && build->left && build->phase != SNAP_BUILD_DONE) {
		switch (build->phase) {
		case SNAP_BUILD_ADD:
			r = begin(build, spare);
			break;
		case SNAP_BUILD_FIND:
			sort_find(build);
			break;
		case SNAP_BUILD_COUNT:
			sort_count(build);
			break;
		case SNAP_BUILD_MOVE:
			sort_move(build);
			break;
		case SNAP_BUILD_JOIN:
			r = join_runs(build);
			break;
		case SNAP_BUILD_TRIM:
			trim(build, spare);
			break;
		case SNAP_BUILD_TREE:
			r = build_tree(build, index, spare);
			break;
		case SNAP_BUILD_DONE:
			break;
		}
	}
	if (r)
		return r;
	if (build->phase != SNAP_BUILD_DONE)
		return 1;
	build->phase = SNAP_BUILD_ADD;
	return 0;
}

void *snap_build_dismantle(struct snap_build *build)
{
	return build->nr_nodes ? node_at(build, --build->nr_nodes) : NULL;
}
