// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the index costs: bytes an entry, nanoseconds an insert and a look-up,
// for a million entries that arrive in several orders and do not join.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "build_checker.h"
#include "store_loader.h"

namespace {

constexpr std::uint64_t nr_entries = 1000000;

double ns_each(const std::function<void()> &work)
{
	const std::clock_t begin = std::clock(); // of this process, whatever else is running
	work();
	const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
	return seconds * 1e9 / static_cast<double>(nr_entries);
}

void measure(const char *name, const std::vector<chunk_t> &chunks)
{
	tools::ChunkIndex index;
	std::uint64_t refused = 0, found = 0;
	const double insert_ns = ns_each([&] {
		for (std::uint64_t i = 0; i < nr_entries; i++)
			refused += index.insert({chunks[i], i * 2, 1}) != 0;
	});
	std::vector<chunk_t> order(chunks);
	std::shuffle(order.begin(), order.end(), std::mt19937_64(2));
	const double hit_ns = ns_each([&] {
		for (const chunk_t chunk : order)
			found += index.find(chunk).has_value();
	});
	const double miss_ns = ns_each([&] {
		for (const chunk_t chunk : order)
			found += index.find(chunk + 1).has_value();
	});
	const auto &raw = index.raw();
	std::printf("%-10s %8.2f bytes an entry, height %u, insert %4.0f ns, random hit %4.0f ns, random miss %4.0f ns%s\n", name,
		    static_cast<double>(raw.nr_nodes) * SNAP_INDEX_NODE_BYTES / static_cast<double>(raw.nr_runs), raw.height,
		    insert_ns, hit_ns, miss_ns, refused || found != nr_entries ? " (and it is wrong)" : "");
}

// The same entries, known all at once.
void measure_build(const char *name, const std::vector<chunk_t> &chunks)
{
	core_test::TestBuild build;
	int result = 0;
	build.lend(nr_entries / 32 * 11 / 10);
	const double add_ns = ns_each([&] {
		for (std::uint64_t i = 0; i < nr_entries; i++)
			result |= build.add({chunks[i], i * 2, 1});
	});
	const double finish_ns = ns_each([&] { result |= build.finish(); });
	const auto &raw = build.index.index;
	std::printf("%-10s %8.2f bytes an entry, height %u, built: add %4.0f ns, finish %4.0f ns%s\n", name,
		    static_cast<double>(raw.nr_nodes) * SNAP_INDEX_NODE_BYTES / static_cast<double>(raw.nr_runs), raw.height, add_ns,
		    finish_ns, result || raw.nr_runs != nr_entries ? " (and it is wrong)" : "");
}

void measure_both(const char *name, const std::vector<chunk_t> &chunks)
{
	measure(name, chunks);
	measure_build(name, chunks);
}

} // namespace

int main()
{
	std::vector<chunk_t> chunks(nr_entries);
	for (std::uint64_t i = 0; i < nr_entries; i++)
		chunks[i] = i * 1000;
	measure_both("ascending", chunks);
	std::reverse(chunks.begin(), chunks.end());
	measure_both("descending", chunks);
	std::shuffle(chunks.begin(), chunks.end(), std::mt19937_64(1));
	measure_both("scattered", chunks);
	for (std::uint64_t i = 0; i < nr_entries; i++)
		chunks[i] = i % 16 * 1000000000 + i / 16 * 2;
	measure_both("16 streams", chunks);
}
