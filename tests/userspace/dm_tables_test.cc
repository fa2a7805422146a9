// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include "base/error.h"
#include "dm/tables.h"

using namespace snapctl;
using namespace snapctl::dm;

BOOST_AUTO_TEST_SUITE(tables)

BOOST_AUTO_TEST_CASE(lines_of_the_kernel_survive_parsing_and_formatting)
{
	for (const std::string line : {
		     "0 8192 snapshot-origin 253:3",
		     "0 8192 snapshot 253:1 253:2 P 8",
		     "0 8192 snapshot 253:1 7:0 PO 2097152",
		     "0 8192 snapshot 8:1 7:0 N 32",
		     "0 8192 snapshot 8:1 7:0 PO 8 1 queue_if_no_space",
		     "0 8192 snapshot 8:1 7:0 PO 8 5 queue_if_no_space low_water_mark 4096 no_space_timeout 0",
		     "0 8192 snapshot 8:1 7:0 P 8 2 discard_zeroes_cow discard_passdown_origin",
		     "0 8192 snapshot-merge 8:1 7:0 PO 8 2 low_water_mark 18446744073709551615",
		     "100 8192 linear 8:16 2048",
		     "0 8192 crypt aes-xts-plain64 :64:logon:cryptsetup:x-d0 0 8:1 32768 1 allow_discards",
		     "0 8192 zero",
		     "18446744073709551614 1 error",
	     })
		BOOST_TEST(format_target(parse_target(line)) == line);
}

BOOST_AUTO_TEST_CASE(letters_are_read_whatever_their_case)
{
	BOOST_TEST(format_target(parse_target("0 8 snapshot 8:1 8:2 po 8")) == "0 8 snapshot 8:1 8:2 PO 8");
	BOOST_TEST(format_target(parse_target("  0  8 snapshot 8:1 8:2 n 8 0 ")) == "0 8 snapshot 8:1 8:2 N 8");
}

BOOST_AUTO_TEST_CASE(lines_that_make_no_sense_are_refused)
{
	for (const char* line : {
		     "", "0", "0 8", "0 0 zero", "x 8 zero", "-1 8 zero", "18446744073709551615 1 zero",
		     "0 8 snapshot", "0 8 snapshot 8:1 8:2 P", "0 8 snapshot 8:1 8:2 X 8", "0 8 snapshot 8:1 8:2 PX 8",
		     "0 8 snapshot 8:1 8:2 POO 8", "0 8 snapshot 8:1 8:2 P eight", "0 8 snapshot 8:1 8:2 P 8 1",
		     "0 8 snapshot 8:1 8:2 P 8 2 queue_if_no_space", "0 8 snapshot 8:1 8:2 P 8 0 queue_if_no_space",
		     "0 8 snapshot 8:1 8:2 P 8 1 low_water_mark", "0 8 snapshot 8:1 8:2 P 8 2 low_water_mark x",
		     "0 8 snapshot-origin", "0 8 snapshot-origin 8:1 8:2", "0 8 linear 8:1", "0 8 linear 8:1 x",
	     })
		BOOST_CHECK_THROW(static_cast<void>(parse_target(line)), Error);
}

BOOST_AUTO_TEST_CASE(tables_have_a_length_and_lines)
{
	const std::string text = "0 100 linear 8:1 0\n100 50 linear 8:2 0\n";
	const Table table = parse_table(text);
	BOOST_TEST(table.size() == 2u);
	BOOST_TEST(length_of(table).count == 150u);
	BOOST_TEST(format_table(table) == text);
	BOOST_TEST(length_of({}).count == 0u);
	BOOST_TEST((only_target<Linear>(table) == nullptr));
	BOOST_TEST((only_target<Linear>(parse_table("0 1 linear 8:1 0")) != nullptr));
	BOOST_TEST((only_target<Snapshot>(parse_table("0 1 linear 8:1 0")) == nullptr));
}

BOOST_AUTO_TEST_CASE(status_lines_survive_parsing_and_formatting)
{
	for (const std::string line : {"16/8192 16", "0/0 0", "18446744073709551615/18446744073709551615 1", "Invalid",
				       "Merge failed", "Overflow", "Unknown"})
		BOOST_TEST(format_snapshot_status(parse_snapshot_status(line)) == line);
	BOOST_TEST((std::get<UsageStatus>(parse_snapshot_status(" 24/8192 16\n")) ==
		    UsageStatus{Sectors{24}, Sectors{8192}, Sectors{16}}));
}

BOOST_AUTO_TEST_CASE(status_lines_of_others_are_refused)
{
	for (const char* line : {"", "invalid", "16/8192", "16 8192 16", "16/8192 16 3", "a/8192 16", "16/ 16", "/8 1",
				 "Merge", "-1/8 8", "16 /8192 16"})
		BOOST_CHECK_THROW(static_cast<void>(parse_snapshot_status(line)), Error);
}

BOOST_AUTO_TEST_CASE(device_numbers_are_exact)
{
	BOOST_TEST(parse_device_number("253:17")->str() == "253:17");
	for (const char* text : {"", ":", "1:", ":1", "a:b", "1:2:3", "1 :2", "4294967296:0", "/dev/sda"})
		BOOST_TEST(!parse_device_number(text));
}

BOOST_AUTO_TEST_SUITE_END()
