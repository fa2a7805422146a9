// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "base/error.h"
#include "base/subprocess.h"
#include "engine/content.h"

using namespace snapctl;
using snapctl::engine::find_content;

namespace {

// A file of 8 MiB.
struct Disk {
	std::string path = (std::filesystem::temp_directory_path() / ("content-test-" + std::to_string(getpid()))).string();

	Disk()
	{
		std::ofstream{path}.put('\0');
		std::filesystem::resize_file(path, 8 << 20);
	}
	~Disk() { std::filesystem::remove(path); }
	void write(std::streamoff offset, const std::string& bytes) const
	{
		std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
		file.seekp(offset);
		file << bytes;
	}
	[[nodiscard]] std::string content() const { return find_content(path).value_or("nothing"); }
};

} // namespace

BOOST_AUTO_TEST_SUITE(content)

BOOST_AUTO_TEST_CASE(empty_device_holds_nothing)
{
	BOOST_TEST(Disk{}.content() == "nothing");
}

BOOST_AUTO_TEST_CASE(store_is_recognised)
{
	const Disk disk;
	disk.write(0, std::string{"SnAp\1\0\0\0\1\0\0\0\10\0\0\0", 16});
	BOOST_TEST(disk.content() == "DM_snapshot_cow");
}

BOOST_AUTO_TEST_CASE(file_system_is_recognised)
{
	const Disk disk;
	BOOST_REQUIRE(run_program({"mkfs.ext4", "-q", disk.path}).status == 0);
	BOOST_TEST(disk.content() == "ext4");
}

// As of a RAID member of the old kind, whose superblock is in the last 64 KiB.
BOOST_AUTO_TEST_CASE(what_is_at_the_end_is_recognised)
{
	const Disk disk;
	disk.write((8 << 20) - (64 << 10), std::string{"\xfc\x4e\x2b\xa9\0\0\0\0\x5a\0\0\0", 12});
	BOOST_TEST(disk.content() == "linux_raid_member");
}

BOOST_AUTO_TEST_CASE(two_things_at_once_are_not_nothing)
{
	const Disk disk;
	BOOST_REQUIRE(run_program({"mkfs.ext4", "-q", disk.path}).status == 0);
	disk.write(0, std::string{"SnAp\1\0\0\0\1\0\0\0\10\0\0\0", 16});
	BOOST_TEST(disk.content() == "several things at once");
}

BOOST_AUTO_TEST_CASE(device_that_is_not_there_is_an_error)
{
	BOOST_CHECK_THROW(static_cast<void>(find_content("/nonexistent/disk")), Error);
}

BOOST_AUTO_TEST_SUITE_END()
