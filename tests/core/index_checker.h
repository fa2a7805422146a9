// SPDX-License-Identifier: GPL-2.0-or-later
//
// Looks at an index from outside (as a walk) and from inside (as nodes), and
// lends it exactly the memory that it says it may take.
#ifndef CORE_INDEX_CHECKER_H
#define CORE_INDEX_CHECKER_H

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <unordered_set>
#include <vector>

extern "C" {
#include "snap_index.h"
}

inline bool operator==(const snap_run &a, const snap_run &b)
{
	return a.old_chunk == b.old_chunk && a.new_chunk == b.new_chunk && a.nr_chunks == b.nr_chunks;
}

namespace core_test {

// The invariant that is written above the index, checked node by node.
class StructureCheck {
public:
	// "" when it holds.
	static std::string of(const snap_index &index)
	{
		StructureCheck check;
		if (!index.root != !index.height)
			return "a height without a root, or a root without a height";
		if (index.root) {
			if (index.height > 1 && count(node_of(index.root)) < 2)
				return "an inner root with one child";
			check.visit(node_of(index.root), index.height - 1);
		}
		if (check.nr_nodes_ != index.nr_nodes)
			check.fail("nr_nodes is wrong");
		if (check.nr_runs_ != index.nr_runs)
			check.fail("nr_runs is wrong");
		if (check.nr_chunks_ != index.nr_chunks)
			check.fail("nr_chunks is wrong");
		return check.fault_;
	}

private:
	static constexpr unsigned slots = 32;
	static constexpr std::uint64_t unused = UINT64_MAX;

	struct Node {
		std::uint64_t key[slots];
		std::uint64_t val[slots];
	};
	static_assert(sizeof(Node) == SNAP_INDEX_NODE_BYTES);

	static const Node *node_of(const void *node) { return static_cast<const Node *>(node); }

	static unsigned count(const Node *node)
	{
		unsigned nr = 0;
		while (nr < slots && node->key[nr] != unused)
			nr++;
		return nr;
	}

	void fail(const char *what)
	{
		if (fault_.empty())
			fault_ = what;
	}

	// Returns the lowest old chunk below @node. The depth is that of the tree.
	chunk_t visit(const Node *node, unsigned level)
	{
		const unsigned nr = count(node);
		nr_nodes_++;
		if (!nr)
			fail("an empty node");
		for (unsigned i = nr; i < slots; i++)
			if (node->key[i] != unused)
				fail("a key behind an unused slot");
		for (unsigned i = 0; i < nr && fault_.empty(); i++) {
			if (level)
				visit_inner(node, level, i);
			else
				visit_run(node->key[i], node->val[i]);
		}
		return node->key[0] >> 10;
	}

	void visit_inner(const Node *node, unsigned level, unsigned slot)
	{
		if (node->key[slot] & 1023)
			fail("a separator with a length");
		if (visit(reinterpret_cast<const Node *>(node->val[slot]), level - 1) != node->key[slot] >> 10)
			fail("a separator that is not the lowest chunk below it");
	}

	void visit_run(std::uint64_t key, std::uint64_t val)
	{
		const std::uint64_t length = ((key & 1023) << 10 | (val & 1023)) + 1;
		if (nr_runs_++ && key >> 10 < end_)
			fail("runs that overlap or are not in order");
		if (length > SNAP_MAX_CHUNKS - (key >> 10) || length > SNAP_MAX_CHUNKS - (val >> 10))
			fail("a run beyond the last chunk");
		end_ = (key >> 10) + length;
		nr_chunks_ += length;
	}

	std::string fault_;
	std::uint64_t nr_nodes_ = 0, nr_runs_ = 0, nr_chunks_ = 0;
	chunk_t end_ = 0;
};

class TestIndex {
public:
	TestIndex()
	{
		snap_index_init(&index);
		snap_index_spare_init(&spare);
	}
	TestIndex(const TestIndex &) = delete;
	TestIndex &operator=(const TestIndex &) = delete;
	~TestIndex()
	{
		while (void *memory = snap_index_dismantle(&index))
			std::free(memory);
		lend(0);
	}

	// Makes the spare exactly @nr nodes; each comes filled with rubbish.
	void lend(std::uint32_t nr)
	{
		while (spare.nr > nr)
			std::free(snap_index_spare_take(&spare));
		while (spare.nr < nr) {
			void *memory = std::aligned_alloc(64, SNAP_INDEX_NODE_BYTES);
			if (!memory)
				throw std::bad_alloc();
			std::memset(memory, 0xa5, SNAP_INDEX_NODE_BYTES);
			snap_index_spare_put(&spare, memory);
		}
	}
	void lend_needed() { lend(snap_index_spare_needed(&index)); }

	int insert(chunk_t old_chunk, chunk_t new_chunk, std::uint64_t nr = 1)
	{
		const snap_run run{old_chunk, new_chunk, nr};
		lend_needed();
		return snap_index_insert(&index, &run, &spare);
	}
	int remove(chunk_t old_chunk, std::uint64_t nr = 1)
	{
		const snap_run run{old_chunk, 0, nr};
		lend_needed();
		return snap_index_remove(&index, &run, &spare);
	}
	[[nodiscard]] bool lookup(chunk_t chunk, snap_run &run) const { return snap_index_lookup(&index, chunk, &run); }

	[[nodiscard]] std::vector<snap_run> walk() const
	{
		std::vector<snap_run> runs;
		snap_run run;
		for (chunk_t from = 0; snap_index_next(&index, from, &run); from = run.old_chunk + run.nr_chunks)
			runs.push_back(run);
		return runs;
	}
	[[nodiscard]] std::string structure() const { return StructureCheck::of(index); }
	[[nodiscard]] double bytes_per_run() const
	{
		return static_cast<double>(index.nr_nodes) * SNAP_INDEX_NODE_BYTES / static_cast<double>(index.nr_runs);
	}

	// "" when a dismantle gives back every node once and leaves an empty index.
	std::string dismantle()
	{
		const std::uint64_t nr_nodes = index.nr_nodes;
		std::unordered_set<void *> seen;
		std::string fault;
		while (void *memory = snap_index_dismantle(&index)) {
			if (!seen.insert(memory).second)
				return "a node came twice"; // and is in two hands now
			std::memset(memory, 0xa5, SNAP_INDEX_NODE_BYTES);
		}
		if (seen.size() != nr_nodes)
			fault = "not every node came";
		for (void *memory : seen)
			std::free(memory);
		if (index.root || index.height || index.nr_runs || index.nr_chunks || index.nr_nodes)
			fault = "what is left is not an empty index";
		return fault;
	}

	snap_index index;
	snap_index_spare spare;
};

} // namespace core_test

#endif
