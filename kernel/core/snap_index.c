// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exception index: a B+tree of runs.
 *
 * What it has to be. A snapshot looks up every bio and inserts every chunk that
 * is copied, and it keeps the result in memory for as long as it is active, so
 * the index is judged by three things: the time of a look-up, the bytes per
 * exception, and what an insert may need while it holds a spinlock. Exceptions
 * come in runs, because the store hands out chunks in order and most writers
 * write in order; but the worst case, scattered single chunks, has to stay
 * cheap too.
 *
 * A node is 512 bytes without a header: 32 keys, then 32 values. A leaf slot
 * is one run, packed into 128 bits:
 *
 *	key    old_chunk (54 bits) | upper 10 bits of length - 1
 *	value  new_chunk (54 bits) | lower 10 bits of length - 1
 *
 * An inner slot is the lowest old_chunk below a child (the 10 bits are 0) and
 * the pointer to it. Unused slots have a key of all ones. No run has that key:
 * it would begin at the last possible chunk and be longer than one. So unused
 * slots sort last, a search needs no count and always takes the same six
 * compares, and the count itself is a search.
 *
 * The invariant, true between any two calls:
 *
 *  1. in a node the keys in use come first and ascend; runs do not overlap;
 *  2. all leaves are at the same depth, height - 1 below the root;
 *  3. no node is empty (the empty tree has no root), and an inner root has at
 *     least two children;
 *  4. the key of an inner slot is exactly the lowest old_chunk below it.
 *
 * Point 4 is stricter than what a B+tree needs, and is what makes the rest
 * short. The descent for a chunk ends in the leaf that holds the last run that
 * begins at or before it, if there is one at all, so a look-up never visits a
 * second leaf; the key to the right of the path is where the next run begins,
 * so the length of a hole is known without going there; and slots move between
 * neighbours by copying them as they are. The price is key_changed(), a short
 * walk up when the first key of a leaf changes.
 *
 * Filling. A full node first gives slots to a neighbour under the same parent
 * that has room, half of that room, and is split, in halves, only when both are
 * full. That keeps scattered insertion at five sixths of full. A stream that
 * ascends or descends, at an end of the tree or anywhere in it, comes back to
 * the neighbour that it left behind until that one is full, so it needs no case
 * of its own. There is no minimum that must hold, only that removal joins
 * neighbours as soon as both fit into three quarters of a node: the gap keeps a
 * remove and an insert in turn from joining and splitting. An index that comes from
 * a store is not inserted but built (snap_build.c), and its nodes are full.
 *
 * Memory. A change takes at most one node a level and a new root, and never
 * allocates: the caller brings that many (snap_index_spare_needed()) before it
 * takes its lock. What can fail is decided before the first slot is changed.
 *
 * What was rejected:
 *
 *  - a hash table of chunks: fast, but it costs a node of two pointers and two
 *    numbers for every single run, has to be sized for a device that may never
 *    fill up, and knows nothing about order: no hole, no walk, no long runs
 *    that cross buckets;
 *  - an rb-tree of runs: has the order, but 48 bytes a run before the allocator
 *    rounds it up, and a cache miss for each of some twenty levels where this
 *    tree has four;
 *  - the maple tree: has ranges, but stores one pointer for each, so the run has
 *    to be allocated beside it; it joins no runs by value; it
 *    allocates by itself under its own lock; and it exists only in the kernel,
 *    so that neither a test in userspace nor a reader of images could run the
 *    very code that the module runs.
 */
#include "snap_node.h"

/*
 * gcc 12.2 rewrites the loops over struct path to addresses relative to NULL,
 * then takes what follows for unreachable, and forgets that the function stores
 * to the path: look-ups and inserts go astray at -O2 and -Os. The kernel
 * is built with the option that avoids this; a program is not.
 */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__KERNEL__)
#pragma GCC optimize("no-delete-null-pointer-checks")
#endif

/* Neighbours with no more slots together than this are joined on removal. */
#define JOIN_SLOTS 24U

/*
 * The levels that a path has room for. Even at four children a node the leaves
 * alone would be half a TiB then; an insert beyond it fails with -ENOMEM.
 */
#define MAX_HEIGHT 16U

/*
 * The way from a leaf, level 0, up to the root. slot[0] is where a run is or
 * goes; above it, slot[n] is the slot of node[n] that leads to node[n - 1].
 */
struct path {
	struct snap_index_node *node[MAX_HEIGHT];
	u8 slot[MAX_HEIGHT];
};

/* --- Slots ------------------------------------------------------------- */

/* The greatest key that a run which begins at @chunk or before can have. */
static u64 last_key_of_chunk(chunk_t chunk)
{
	u64 key = key_of_chunk(chunk) | LENGTH_MASK;

	return key == UNUSED ? key - 1 : key;
}

/* --- One node ---------------------------------------------------------- */

/* How many keys are not greater than @key. */
static u32 node_search(const struct snap_index_node *node, u64 key)
{
	u32 nr = 0, step;

	for (step = SLOTS / 2; step; step /= 2)
		nr += node->key[nr + step - 1] <= key ? step : 0;
	return nr + (node->key[nr] <= key);
}

static u32 node_count(const struct snap_index_node *node)
{
	return node_search(node, UNUSED - 1);
}

static bool node_full(const struct snap_index_node *node)
{
	return node->key[SLOTS - 1] != UNUSED;
}

/* The slot of the child that @key leads to. */
static u32 node_descend(const struct snap_index_node *node, u64 key)
{
	u32 nr = node_search(node, key);

	return nr ? nr - 1 : 0;
}

static void slots_move(struct snap_index_node *to, u32 at, const struct snap_index_node *from,
		       u32 first, u32 nr)
{
	memmove(&to->key[at], &from->key[first], nr * sizeof(to->key[0]));
	memmove(&to->val[at], &from->val[first], nr * sizeof(to->val[0]));
}

static void node_insert(struct snap_index_node *node, u32 slot, u64 key, u64 val)
{
	slots_move(node, slot + 1, node, slot, SLOTS - 1 - slot);
	node->key[slot] = key;
	node->val[slot] = val;
}

static void node_remove(struct snap_index_node *node, u32 slot)
{
	slots_move(node, slot, node, slot + 1, SLOTS - 1 - slot);
	slots_clear(node, SLOTS - 1, 1);
}

/* --- Two neighbours ---------------------------------------------------- */

/* Moves slots between @left and @right so that @left has @keep. */
static void pair_balance(struct snap_index_node *left, struct snap_index_node *right, u32 keep)
{
	u32 nr_left = node_count(left), nr_right = node_count(right);

	if (keep > nr_left) {
		u32 nr = keep - nr_left;

		slots_move(left, nr_left, right, 0, nr);
		slots_move(right, 0, right, nr, nr_right - nr);
		slots_clear(right, nr_right - nr, nr);
	} else if (keep < nr_left) {
		u32 nr = nr_left - keep;

		slots_move(right, nr, right, 0, nr_right);
		slots_move(right, 0, left, keep, nr);
		slots_clear(left, keep, nr);
	}
}

/*
 * Balances and then inserts at @at, counted through both nodes. On the border
 * @left is preferred unless it is full.
 */
static void pair_insert(struct snap_index_node *left, struct snap_index_node *right, u32 keep,
			u32 at, u64 key, u64 val)
{
	pair_balance(left, right, keep);
	if (at < keep || (at == keep && !node_full(left)))
		node_insert(left, at, key, val);
	else
		node_insert(right, at - keep, key, val);
}

/* --- Nodes, spare and in use ------------------------------------------- */

void snap_index_spare_init(struct snap_index_spare *spare)
{
	spare->top = NULL;
	spare->nr = 0;
}

void snap_index_spare_put(struct snap_index_spare *spare, void *memory)
{
	struct snap_index_node *node = memory;

	node->val[0] = (uintptr_t)spare->top;
	spare->top = node;
	spare->nr++;
}

void *snap_index_spare_take(struct snap_index_spare *spare)
{
	struct snap_index_node *node = spare->top;

	if (!node)
		return NULL;
	spare->top = slot_child(node, 0);
	spare->nr--;
	return node;
}

u32 snap_index_spare_needed(const struct snap_index *index)
{
	return index->height + 1;
}

static bool spare_suffices(const struct snap_index *index, const struct snap_index_spare *spare)
{
	return spare->nr >= snap_index_spare_needed(index) && index->height < MAX_HEIGHT;
}

/* Cannot fail after spare_suffices(). */
static struct snap_index_node *node_take(struct snap_index *index, struct snap_index_spare *spare)
{
	struct snap_index_node *node = snap_index_spare_take(spare);

	slots_clear(node, 0, SLOTS);
	index->nr_nodes++;
	return node;
}

static void node_give(struct snap_index *index, struct snap_index_spare *spare,
		      struct snap_index_node *node)
{
	index->nr_nodes--;
	snap_index_spare_put(spare, node);
}

/* --- Paths ------------------------------------------------------------- */

/*
 * Leads to the leaf for @chunk. slot[0] is behind the last run that begins at
 * or before @chunk: 0 only when the whole tree begins behind it.
 */
static void path_seek(const struct snap_index *index, chunk_t chunk, struct path *path)
{
	u64 key = last_key_of_chunk(chunk);
	struct snap_index_node *node = index->root;
	u32 level = index->height - 1;

	for (; level; level--) {
		path->node[level] = node;
		path->slot[level] = (u8)node_descend(node, key);
		node = slot_child(node, path->slot[level]);
	}
	path->node[0] = node;
	path->slot[0] = (u8)node_search(node, key);
}

/*
 * Where slot[0] is behind the last run of its leaf, moves on to the first run of
 * the next leaf. False, and the path is unchanged, when there is none.
 */
static bool path_normalize(const struct snap_index *index, struct path *path)
{
	struct snap_index_node *node;
	u32 level = 0;

	if (path->slot[0] < node_count(path->node[0]))
		return true;
	do {
		if (++level == index->height)
			return false;
	} while (path->slot[level] + 1U >= node_count(path->node[level]));

	node = slot_child(path->node[level], ++path->slot[level]);
	while (level--) {
		path->node[level] = node;
		path->slot[level] = 0;
		if (level)
			node = slot_child(node, 0);
	}
	return true;
}

/* The first key of the node at @level changed: restores point 4 above it. */
static void key_changed(const struct snap_index *index, struct path *path, u32 level)
{
	u64 key = path->node[level]->key[0] & ~LENGTH_MASK;

	while (++level < index->height) {
		path->node[level]->key[path->slot[level]] = key;
		if (path->slot[level])
			break;
	}
}

/* The neighbour of the node at @level under the same parent, or NULL. */
static struct snap_index_node *path_left(const struct snap_index *index, const struct path *path,
					 u32 level)
{
	u32 up = level + 1;

	if (up == index->height || !path->slot[up])
		return NULL;
	return slot_child(path->node[up], path->slot[up] - 1U);
}

static struct snap_index_node *path_right(const struct snap_index *index, const struct path *path,
					  u32 level)
{
	u32 up = level + 1;

	if (up == index->height || path->slot[up] + 1U >= node_count(path->node[up]))
		return NULL;
	return slot_child(path->node[up], path->slot[up] + 1U);
}

/* --- Insertion --------------------------------------------------------- */

/*
 * Inserts at slot[level] of a full node by giving slots to a neighbour with
 * room: half of the room, so that the next insert here finds some as well.
 */
static bool insert_shifting(struct snap_index *index, struct path *path, u32 level, u64 key,
			    u64 val)
{
	struct snap_index_node *node = path->node[level], *left, *right, *parent;
	u32 at = path->slot[level], up = level + 1, nr;

	left = path_left(index, path, level);
	if (left && !node_full(left)) {
		nr = node_count(left);
		pair_insert(left, node, nr + (SLOTS - nr + 1) / 2, nr + at, key, val);
		key_changed(index, path, level);
		return true;
	}

	right = path_right(index, path, level);
	if (right && !node_full(right)) {
		/* Behind the last slot is before the first one of the neighbour. */
		nr = at == SLOTS ? 0 : (SLOTS - node_count(right) + 1) / 2;
		pair_insert(node, right, SLOTS - nr, at, key, val);
		key_changed(index, path, level);
		parent = path->node[up];
		parent->key[path->slot[up] + 1U] = right->key[0] & ~LENGTH_MASK;
		return true;
	}
	return false;
}

/* Splits the full node at @level and inserts; returns the new node, on its right. */
static struct snap_index_node *insert_splitting(struct snap_index *index, struct path *path,
						u32 level, u64 key, u64 val,
						struct snap_index_spare *spare)
{
	struct snap_index_node *node = path->node[level], *right = node_take(index, spare);

	pair_insert(node, right, SLOTS / 2, path->slot[level], key, val);
	key_changed(index, path, level);
	return right;
}

static void insert_root(struct snap_index *index, struct snap_index_node *right,
			struct snap_index_spare *spare)
{
	struct snap_index_node *left = index->root, *root = node_take(index, spare);

	root->key[0] = left->key[0] & ~LENGTH_MASK;
	root->val[0] = (uintptr_t)left;
	root->key[1] = right->key[0] & ~LENGTH_MASK;
	root->val[1] = (uintptr_t)right;
	index->root = root;
	index->height++;
}

/* Inserts @run at slot[0]; spare_suffices() was true, the tree is not empty. */
static void insert_at(struct snap_index *index, struct path *path, const struct snap_run *run,
		      struct snap_index_spare *spare)
{
	struct snap_index_node *right = NULL;
	u64 key = run_key(run), val = run_val(run);
	u32 level;

	index->nr_runs++;
	for (level = 0; level < index->height; level++) {
		if (level) /* the slot behind the node that was split */
			path->slot[level]++;
		if (!node_full(path->node[level])) {
			node_insert(path->node[level], path->slot[level], key, val);
			if (!path->slot[level])
				key_changed(index, path, level);
			return;
		}
		if (insert_shifting(index, path, level, key, val))
			return;
		right = insert_splitting(index, path, level, key, val, spare);
		key = right->key[0] & ~LENGTH_MASK;
		val = (uintptr_t)right;
	}
	insert_root(index, right, spare);
}

/* --- Removal ----------------------------------------------------------- */

/*
 * Joins the node at @level with a neighbour if both fit well into one node; the
 * right one of the two is then empty, and slot[level + 1] leads to it.
 */
static struct snap_index_node *remove_joining(const struct snap_index *index, struct path *path,
					      u32 level)
{
	struct snap_index_node *node = path->node[level];
	struct snap_index_node *left = path_left(index, path, level);
	struct snap_index_node *right = path_right(index, path, level);
	u32 nr = node_count(node);

	if (left && node_count(left) + nr <= JOIN_SLOTS) {
		pair_balance(left, node, node_count(left) + nr);
		return node;
	}
	if (right && node_count(right) + nr <= JOIN_SLOTS) {
		pair_balance(node, right, nr + node_count(right));
		path->slot[level + 1]++;
		return right;
	}
	return NULL;
}

/* An inner root with one child is one level too many. */
static void remove_roots(struct snap_index *index, struct snap_index_spare *spare)
{
	struct snap_index_node *root;

	while (index->height > 1 && node_count(index->root) == 1) {
		root = index->root;
		index->root = slot_child(root, 0);
		index->height--;
		node_give(index, spare, root);
	}
}

/* Removes the run at slot[0]. */
static void remove_at(struct snap_index *index, struct path *path, struct snap_index_spare *spare)
{
	struct snap_index_node *node, *empty;
	u32 level;

	for (level = 0; level < index->height; level++) {
		node = path->node[level];
		node_remove(node, path->slot[level]);
		if (!node_count(node)) {
			node_give(index, spare, node);
			continue;
		}
		if (!path->slot[level])
			key_changed(index, path, level);

		empty = remove_joining(index, path, level);
		if (!empty)
			break;
		node_give(index, spare, empty);
	}

	if (level == index->height) { /* the root was the last to go */
		index->root = NULL;
		index->height = 0;
	}
	remove_roots(index, spare);
	index->nr_runs--;
}

/*
 * Removes what [@chunk, @end) has of the run that holds @chunk, and returns
 * where that ends.
 */
static chunk_t remove_piece(struct snap_index *index, chunk_t chunk, chunk_t end,
			    struct snap_index_spare *spare)
{
	struct snap_run head, tail;
	struct path path;
	chunk_t run_end;

	path_seek(index, chunk, &path);
	path.slot[0]--;
	slot_unpack(path.node[0], path.slot[0], &head);
	run_end = head.old_chunk + head.nr_chunks;
	if (end > run_end)
		end = run_end;

	tail.old_chunk = end;
	tail.new_chunk = head.new_chunk + (end - head.old_chunk);
	tail.nr_chunks = run_end - end;
	head.nr_chunks = chunk - head.old_chunk;

	if (head.nr_chunks) {
		slot_pack(path.node[0], path.slot[0], &head);
		path.slot[0]++;
		if (tail.nr_chunks)
			insert_at(index, &path, &tail, spare);
	} else if (tail.nr_chunks) {
		slot_pack(path.node[0], path.slot[0], &tail);
		if (!path.slot[0])
			key_changed(index, &path, 0);
	} else {
		remove_at(index, &path, spare);
	}

	index->nr_chunks -= end - chunk;
	return end;
}

/* --- Insertion beside neighbours --------------------------------------- */

static void insert_first(struct snap_index *index, const struct snap_run *run,
			 struct snap_index_spare *spare)
{
	index->root = node_take(index, spare);
	index->height = 1;
	index->nr_runs = 1;
	slot_pack(index->root, 0, run);
}

/* Whether @run overlaps neither the run before slot[0] nor the one behind it. */
static bool insert_fits(const struct snap_index *index, const struct path *path,
			const struct snap_run *run)
{
	struct snap_run prev;
	u32 level, slot = path->slot[0];

	if (slot) {
		slot_unpack(path->node[0], slot - 1, &prev);
		if (run->old_chunk - prev.old_chunk < prev.nr_chunks)
			return false;
	}
	for (level = 0; level < index->height; level++) {
		slot = path->slot[level] + (level ? 1U : 0U);
		if (slot < SLOTS && path->node[level]->key[slot] != UNUSED)
			return chunk_of_key(path->node[level]->key[slot]) - run->old_chunk >=
			       run->nr_chunks;
	}
	return true;
}

/* Joins @run, which fits at slot[0], with its neighbours. False: it has no such. */
static bool insert_joining(struct snap_index *index, const struct path *path,
			   const struct snap_run *run, struct snap_index_spare *spare)
{
	struct snap_run joined = *run, other;
	struct path next = *path;
	bool with_prev = false, with_next = false;

	if (path->slot[0]) {
		slot_unpack(path->node[0], path->slot[0] - 1U, &other);
		with_prev = run_continues(&other, &joined);
		if (with_prev) {
			joined = other;
			joined.nr_chunks += run->nr_chunks;
		}
	}
	if (path_normalize(index, &next)) {
		slot_unpack(next.node[0], next.slot[0], &other);
		with_next = run_continues(&joined, &other);
		if (with_next)
			joined.nr_chunks += other.nr_chunks;
	}

	if (with_prev) {
		slot_pack(path->node[0], path->slot[0] - 1U, &joined);
		if (with_next)
			remove_at(index, &next, spare);
	} else if (with_next) {
		slot_pack(next.node[0], next.slot[0], &joined);
		if (!next.slot[0])
			key_changed(index, &next, 0);
	}
	return with_prev || with_next;
}

/* --- The interface ----------------------------------------------------- */

void snap_index_init(struct snap_index *index)
{
	memset(index, 0, sizeof(*index));
}

bool snap_index_lookup(const struct snap_index *index, chunk_t chunk, struct snap_run *run)
{
	u64 key = last_key_of_chunk(chunk), next = UNUSED;
	const struct snap_index_node *node = index->root;
	u32 level = index->height, slot = 0;
	u64 offset;

	run->old_chunk = chunk;
	run->new_chunk = 0;
	run->nr_chunks = chunk < SNAP_MAX_CHUNKS ? SNAP_MAX_CHUNKS - chunk : 1;
	if (!node || chunk >= SNAP_MAX_CHUNKS)
		return false;

	while (--level) {
		slot = node_descend(node, key);
		if (slot + 1 < SLOTS && node->key[slot + 1] != UNUSED)
			next = node->key[slot + 1];
		node = slot_child(node, slot);
	}
	slot = node_search(node, key);
	if (slot < SLOTS && node->key[slot] != UNUSED)
		next = node->key[slot];

	if (slot) {
		struct snap_run found;

		slot_unpack(node, slot - 1, &found);
		offset = chunk - found.old_chunk;
		if (offset < found.nr_chunks) {
			run->new_chunk = found.new_chunk + offset;
			run->nr_chunks = found.nr_chunks - offset;
			return true;
		}
	}
	if (next != UNUSED)
		run->nr_chunks = chunk_of_key(next) - chunk;
	return false;
}

int snap_index_insert(struct snap_index *index, const struct snap_run *run,
		      struct snap_index_spare *spare)
{
	struct path path;

	if (!range_holds(run->old_chunk, run->nr_chunks) ||
	    !range_holds(run->new_chunk, run->nr_chunks))
		return -ERANGE;

	if (!index->root) {
		if (!spare_suffices(index, spare))
			return -ENOMEM;
		insert_first(index, run, spare);
	} else {
		path_seek(index, run->old_chunk, &path);
		if (!insert_fits(index, &path, run))
			return -EEXIST;
		if (!insert_joining(index, &path, run, spare)) {
			if (!spare_suffices(index, spare))
				return -ENOMEM;
			insert_at(index, &path, run, spare);
		}
	}
	index->nr_chunks += run->nr_chunks;
	return 0;
}

/* Whether one run begins before @chunk and ends behind @end; all are mapped. */
static bool remove_splits(const struct snap_index *index, chunk_t chunk, chunk_t end)
{
	struct snap_run run;

	snap_index_next(index, chunk, &run);
	return run.old_chunk < chunk && run.old_chunk + run.nr_chunks > end;
}

int snap_index_remove(struct snap_index *index, const struct snap_run *run,
		      struct snap_index_spare *spare)
{
	chunk_t at = run->old_chunk, end = at + run->nr_chunks;
	struct snap_run found;

	if (!range_holds(run->old_chunk, run->nr_chunks))
		return -ERANGE;

	for (; at < end; at += found.nr_chunks)
		if (!snap_index_lookup(index, at, &found))
			return -ENOENT;

	/* Only a hole inside of one run makes a run more. */
	at = run->old_chunk;
	if (remove_splits(index, at, end) && !spare_suffices(index, spare))
		return -ENOMEM;

	while (at < end)
		at = remove_piece(index, at, end, spare);
	return 0;
}

bool snap_index_next(const struct snap_index *index, chunk_t from, struct snap_run *run)
{
	struct path path;

	if (!index->root || from >= SNAP_MAX_CHUNKS)
		return false;

	path_seek(index, from, &path);
	if (path.slot[0]) {
		slot_unpack(path.node[0], path.slot[0] - 1U, run);
		if (from - run->old_chunk < run->nr_chunks)
			return true;
	}
	if (!path_normalize(index, &path))
		return false;
	slot_unpack(path.node[0], path.slot[0], run);
	return true;
}

/*
 * The way down along the last slots ends at a leaf, or at an inner node whose
 * children are all gone; either is taken off its parent. This breaks the
 * invariant, and needs no memory of how far it has come.
 */
void *snap_index_dismantle(struct snap_index *index)
{
	struct snap_index_node *parent = NULL, *node = index->root;
	u32 level = index->height, nr = 0, slot = 0;

	if (!node)
		return NULL;

	for (; level > 1; level--) {
		nr = node_count(node);
		if (!nr)
			break;
		parent = node;
		slot = nr - 1;
		node = slot_child(parent, slot);
	}

	index->nr_nodes--;
	if (parent)
		slots_clear(parent, slot, 1);
	else
		snap_index_init(index);
	return node;
}
