/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a node of the exception index looks like, for those who write nodes: the
 * index itself, and the builder that fills leaves before there is a tree. The
 * layout is explained above snap_index.c.
 */
#ifndef SNAP_CORE_NODE_H
#define SNAP_CORE_NODE_H

#include "snap_index.h"

#define SLOTS 32U
#define CHUNK_SHIFT 10
#define LENGTH_MASK ((1ULL << CHUNK_SHIFT) - 1)
#define UNUSED U64_MAX

struct snap_index_node {
	u64 key[SLOTS];
	u64 val[SLOTS];
};

_Static_assert(sizeof(struct snap_index_node) == SNAP_INDEX_NODE_BYTES, "a node fills its memory");
_Static_assert(SNAP_MAX_CHUNKS == 1ULL << (64 - CHUNK_SHIFT), "a chunk fits beside half a length");
_Static_assert(SNAP_INDEX_MAX_RUN == 1ULL << (2 * CHUNK_SHIFT), "a length fits into two halves");

static inline u64 key_of_chunk(chunk_t chunk)
{
	return chunk << CHUNK_SHIFT;
}

static inline chunk_t chunk_of_key(u64 key)
{
	return key >> CHUNK_SHIFT;
}

static inline u64 run_key(const struct snap_run *run)
{
	return key_of_chunk(run->old_chunk) | (run->nr_chunks - 1) >> CHUNK_SHIFT;
}

static inline u64 run_val(const struct snap_run *run)
{
	return run->new_chunk << CHUNK_SHIFT | ((run->nr_chunks - 1) & LENGTH_MASK);
}

static inline void slot_pack(struct snap_index_node *node, u32 slot, const struct snap_run *run)
{
	node->key[slot] = run_key(run);
	node->val[slot] = run_val(run);
}

static inline void slot_unpack(const struct snap_index_node *node, u32 slot, struct snap_run *run)
{
	u64 key = node->key[slot], val = node->val[slot];

	run->old_chunk = chunk_of_key(key);
	run->new_chunk = val >> CHUNK_SHIFT;
	run->nr_chunks = ((key & LENGTH_MASK) << CHUNK_SHIFT | (val & LENGTH_MASK)) + 1;
}

static inline struct snap_index_node *slot_child(const struct snap_index_node *node, u32 slot)
{
	return (struct snap_index_node *)(uintptr_t)node->val[slot];
}

/* Marks slots as unused. */
static inline void slots_clear(struct snap_index_node *node, u32 first, u32 nr)
{
	memset(&node->key[first], 0xff, nr * sizeof(node->key[0]));
}

/* Whether one entry can hold both: @next goes on where @run ends, on both sides. */
static inline bool run_continues(const struct snap_run *run, const struct snap_run *next)
{
	return run->old_chunk + run->nr_chunks == next->old_chunk &&
	       run->new_chunk + run->nr_chunks == next->new_chunk &&
	       run->nr_chunks + next->nr_chunks <= SNAP_INDEX_MAX_RUN;
}

/* Whether @nr chunks from @chunk on are a run that one entry holds. */
static inline bool range_holds(chunk_t chunk, u64 nr)
{
	return nr && nr <= SNAP_INDEX_MAX_RUN && chunk < SNAP_MAX_CHUNKS &&
	       nr <= SNAP_MAX_CHUNKS - chunk;
}

#endif
