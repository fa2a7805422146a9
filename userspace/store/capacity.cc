// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/capacity.h"

#include <algorithm>

#include "snap_disk.h"

namespace snapctl::store {

Bytes worst_case(Bytes origin, Bytes chunk)
{
	const std::uint64_t chunks = origin.count / chunk.count + (origin.count % chunk.count != 0);
	const std::uint64_t entries = chunk.count / sizeof(snap_entry_disk);
	// The area that ends the list exists too, also when it is empty.
	const std::uint64_t areas = chunks / entries + 1;
	return Bytes{(1 + areas + chunks) * chunk.count};
}

Bytes smallest(Bytes chunk) { return Bytes{std::max<std::uint64_t>(16 * chunk.count, 64 * 1024)}; }

const char* chunk_fault(Bytes chunk, Bytes origin_block, Bytes cow_block)
{
	if (chunk.count < 512 || (chunk.count & (chunk.count - 1)) != 0)
		return "a chunk size is a power of two, at least 512";
	if (chunk.count > std::uint64_t{1} << 30)
		return "a chunk size is at most 1 GiB";
	if (chunk.count % origin_block.count != 0)
		return "the chunk size is smaller than the blocks of the origin";
	if (chunk.count % cow_block.count != 0)
		return "the chunk size is smaller than the blocks of the device for the copies";
	return nullptr;
}

} // namespace snapctl::store
