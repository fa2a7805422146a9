// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/signature.h"

#include <cstring>
#include <endian.h>
#include <string_view>

#include "snap_disk.h"

namespace snapctl::store {

namespace {

struct Magic {
	const char* name;
	std::size_t offset;
	std::string_view bytes;
};

using namespace std::string_view_literals;

// Partition tables last: boot sectors of others end like theirs.
constexpr Magic magics[] = {
	{"snapshot store", 0, "SnAp"sv},
	{"LUKS", 0, "LUKS\xba\xbe"sv},
	{"LVM2 physical volume", 0, "LABELONE"sv},
	{"LVM2 physical volume", 512, "LABELONE"sv},
	{"LVM2 physical volume", 1024, "LABELONE"sv},
	{"LVM2 physical volume", 1536, "LABELONE"sv},
	{"ext2/3/4", 1080, "\x53\xef"sv},
	{"xfs", 0, "XFSB"sv},
	{"btrfs", 0x10040, "_BHRfS_M"sv},
	{"f2fs", 1024, "\x10\x20\xf5\xf2"sv},
	{"swap", 4086, "SWAPSPACE2"sv},
	{"RAID member", 4096, "\xfc\x4e\x2b\xa9"sv},
	{"RAID member", 0, "\xfc\x4e\x2b\xa9"sv},
	{"squashfs", 0, "hsqs"sv},
	{"iso9660", 0x8001, "CD001"sv},
	{"dm-integrity", 0, "integrt\0"sv},
	{"thin pool or cache metadata", 32, "\x77\x01\x00\x00\x00\x00\x00\x00"sv},
	{"GPT partition table", 512, "EFI PART"sv},
	{"partition table or boot sector", 510, "\x55\xaa"sv},
};

} // namespace

std::optional<std::string> find_signature(std::span<const std::byte> start)
{
	for (const Magic& magic : magics)
		if (start.size() >= magic.offset + magic.bytes.size() &&
		    std::memcmp(start.data() + magic.offset, magic.bytes.data(), magic.bytes.size()) == 0)
			return magic.name;
	return std::nullopt;
}

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
