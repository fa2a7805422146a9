// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/header.h"

#include <cstring>
#include <endian.h>

#include "snap_disk.h"

namespace snapctl::store {

std::optional<Header> parse_header(std::span<const std::byte> start)
{
	snap_header_disk disk{};
	if (start.size() < sizeof(disk))
		return std::nullopt;
	std::memcpy(&disk, start.data(), sizeof(disk));
	if (le32toh(disk.magic) != SNAP_DISK_MAGIC || le32toh(disk.version) != SNAP_DISK_VERSION)
		return std::nullopt;
	const std::uint64_t chunk = std::uint64_t{le32toh(disk.chunk_sectors)} * 512;
	if (chunk == 0 || (chunk & (chunk - 1)) != 0)
		return std::nullopt;
	return Header{disk.valid != 0, Bytes{chunk}};
}

} // namespace snapctl::store
