// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include <sstream>

#include "base/mounts.h"

using namespace snapctl;

BOOST_AUTO_TEST_SUITE(mounts_of_a_process)

BOOST_AUTO_TEST_CASE(mounts_are_read_as_the_kernel_writes_them)
{
	std::istringstream text{
		"21 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw,errors=remount-ro\n"
		"22 21 0:31 /sub /srv/two\\040words ro,noatime - btrfs /dev/a\\134b rw\n"
		"23 21 8:1 / /mnt rw master:2 propagate_from:3 - xfs /dev/sda1 ro,attr2\n"};
	const auto found = parse_mounts(text);
	BOOST_REQUIRE(found.size() == 3);
	BOOST_TEST(found[0].number == "253:0");
	BOOST_TEST(found[0].point == "/");
	BOOST_TEST(found[0].type == "ext4");
	BOOST_TEST(found[0].source == "/dev/mapper/root");
	BOOST_TEST(found[0].writable);
	BOOST_TEST(found[1].number == "0:31");
	BOOST_TEST(found[1].point == "/srv/two words");
	BOOST_TEST(found[1].source == "/dev/a\\b");
	BOOST_TEST(found[1].writable, "the file system is, this mount of it is not");
	BOOST_TEST(found[2].source == "/dev/sda1");
	BOOST_TEST(!found[2].writable);
}

BOOST_AUTO_TEST_CASE(lines_that_make_no_sense_are_left_out)
{
	std::istringstream text{"\n-\n21 1 253:0 / / rw\n21 1 253:0 / / rw - ext4 /dev/a\n- ext4 /dev/a rw\n"
				"21 1 8:1 / /mnt\\04 rw - ext4 /dev/a\\0 rw\n"};
	const auto found = parse_mounts(text);
	BOOST_REQUIRE(found.size() == 1);
	BOOST_TEST(found[0].point == "/mnt\\04");
	BOOST_TEST(found[0].source == "/dev/a\\0");
}

BOOST_AUTO_TEST_CASE(a_path_is_on_the_longest_mount_point_above_it)
{
	const auto of = [](const std::string& path) {
		std::istringstream fstab{"# /dev/a /var/lib ext4 defaults 0 0\n"
					 "\n"
					 "UUID=1 / ext4 errors=remount-ro 0 1\n"
					 "UUID=2 none swap sw 0 0\n"
					 "UUID=3 //srv/./ xfs defaults\n"
					 "UUID=4 /srv/two\\040words xfs\n"
					 "UUID=5 /srv/other ext4 noauto,rw 0 0\n"
					 "UUID=6 /usr\n"};
		return parse_fstab_for(path, fstab).value_or("-");
	};
	BOOST_TEST(of("/var/lib/snapctl") == "-");
	BOOST_TEST(of("/srv") == "/srv");
	BOOST_TEST(of("/srv/state") == "/srv");
	BOOST_TEST(of("/srvstate") == "-");
	BOOST_TEST(of("/srv/two words/state") == "/srv/two words");
	BOOST_TEST(of("/srv/other/state") == "/srv");
	BOOST_TEST(of("/usr/lib") == "-");
}

BOOST_AUTO_TEST_CASE(the_root_of_this_process_is_among_its_mounts)
{
	bool found = false;
	for (const Mount& mount : mounts())
		found = found || mount.point == "/";
	BOOST_TEST(found);
}

BOOST_AUTO_TEST_SUITE_END()
