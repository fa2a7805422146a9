/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exception index: from a chunk of the origin to the chunk of the COW device
 * that keeps its old contents.
 *
 * A B+tree of runs. A leaf entry is 16 bytes (54 bits of old chunk and 54 bits
 * of new chunk, 20 bits of length), so a run of up to 2^20 chunks costs as much
 * as a single chunk. Inserting joins a run with its neighbours where both sides
 * continue it. Ascending insertion leaves full leaves behind.
 *
 * No locks, no allocation, no I/O: the caller excludes changes from look-ups and
 * from each other, and brings the memory. Before a change it holds at least
 * snap_index_spare_needed() nodes in a snap_index_spare; nodes that a change
 * frees go back to it. Look-ups and changes take O(log n) and are callable with
 * a spinlock held.
 */
#ifndef SNAP_CORE_INDEX_H
#define SNAP_CORE_INDEX_H

#include "snap_types.h"

/* The size of the pieces of memory that hold the tree, 8-byte aligned. */
#define SNAP_INDEX_NODE_BYTES 512

/* The longest run that one entry holds, and that one insert may bring. */
#define SNAP_INDEX_MAX_RUN (1ULL << 20)

struct snap_index_node;

struct snap_index {
	struct snap_index_node *root;
	u32 height;    /* levels, 0 when empty */
	u64 nr_runs;   /* leaf entries */
	u64 nr_chunks; /* chunks mapped */
	u64 nr_nodes;  /* nodes held: memory is nr_nodes * SNAP_INDEX_NODE_BYTES */
};

/* A stack of unused nodes. */
struct snap_index_spare {
	struct snap_index_node *top;
	u32 nr;
};

void snap_index_init(struct snap_index *index);

void snap_index_spare_init(struct snap_index_spare *spare);
void snap_index_spare_put(struct snap_index_spare *spare, void *memory);
void *snap_index_spare_take(struct snap_index_spare *spare); /* NULL: empty */

/* The spare nodes that the next insert or remove may take, at most. */
u32 snap_index_spare_needed(const struct snap_index *index);

/*
 * True when @chunk is mapped: *@run is then the rest of its entry, from @chunk
 * on. False: *@run is the hole from @chunk to the next mapped chunk (nr_chunks,
 * at least 1; up to SNAP_MAX_CHUNKS where nothing follows), its new_chunk 0.
 */
bool snap_index_lookup(const struct snap_index *index, chunk_t chunk,
		       struct snap_run *run);

/*
 * 0; -EEXIST when a chunk of @run is mapped; -ERANGE when @run is empty, longer
 * than SNAP_INDEX_MAX_RUN or reaches beyond SNAP_MAX_CHUNKS on either side;
 * -ENOMEM when @spare is too short. On an error nothing has changed.
 */
int snap_index_insert(struct snap_index *index, const struct snap_run *run,
		      struct snap_index_spare *spare);

/*
 * Forgets nr_chunks chunks from old_chunk of @run on; all must be mapped (to
 * whatever). 0; -ENOENT when one is not; -ERANGE; -ENOMEM. On an error nothing
 * has changed. A remove that spans n entries costs O(n log n).
 */
int snap_index_remove(struct snap_index *index, const struct snap_run *run,
		      struct snap_index_spare *spare);

/*
 * The first entry that ends behind @from, as it is stored. False: none. For
 * walking: next from = old_chunk + nr_chunks.
 */
bool snap_index_next(const struct snap_index *index, chunk_t from,
		     struct snap_run *run);

/*
 * Takes the tree apart: gives back one node a call, NULL when nothing is left.
 * From the first call on only this function may be used on @index until NULL,
 * which leaves it as snap_index_init() does. The caller reschedules between calls.
 */
void *snap_index_dismantle(struct snap_index *index);

#endif
