// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include "base/error.h"
#include "base/names.h"
#include "base/text.h"

using namespace snapctl;

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(sizes_are_read_as_people_write_them)
{
	const std::vector<std::pair<const char*, std::uint64_t>> table = {
		{"0", 0}, {"512", 512}, {"512B", 512}, {"8s", 4096}, {"1k", 1024}, {"1K", 1024},
		{"1KiB", 1024}, {"1kb", 1024}, {"10G", 10ull << 30}, {" 10 GiB ", 10ull << 30},
		{"1.5G", 3ull << 29}, {"0.5k", 512}, {"2T", 2ull << 40}, {"15E", 15ull << 60},
		{"18446744073709551615", ~0ull},
	};
	for (const auto& [text, bytes] : table)
		BOOST_TEST(parse_bytes(text).count == bytes, text);
}

BOOST_AUTO_TEST_CASE(what_is_no_size_is_refused)
{
	for (const char* text : {"", " ", "G", "-1", "+1", "1.", "1.5", ".5G", "10Q", "10 GiBs", "16E",
				 "18446744073709551616", "1e3", "0x10", "1.0000000001G", "10%", "1 2"})
		BOOST_CHECK_THROW(static_cast<void>(parse_bytes(text)), Error);
	for (const char* text : {"", "%", "20", "-5%", "20%%", "1.5%", "99999999999999999999%", "1000001%"})
		BOOST_CHECK_THROW(static_cast<void>(parse_percent(text)), Error);
}

BOOST_AUTO_TEST_CASE(formatted_sizes_read_back_as_the_same)
{
	for (const std::uint64_t n : {0ull, 1ull, 512ull, 1023ull, 1024ull, 1536ull << 20, 3ull << 40, 15ull << 60,
				      ~0ull, (1ull << 63) + 1})
		BOOST_TEST(parse_bytes(format_bytes(Bytes{n})).count == n);
	for (const char* text : {"10G", "1536M", "513", "20%", "0%", "120%"})
		BOOST_TEST(format_size(parse_size(text)) == text);
}

BOOST_AUTO_TEST_CASE(rounded_sizes_have_three_digits)
{
	const std::vector<std::pair<std::uint64_t, const char*>> table = {
		{0, "0 B"}, {1023, "1023 B"}, {1024, "1.00 KiB"}, {1536, "1.50 KiB"}, {10239, "10.0 KiB"},
		{102399, "100 KiB"}, {1048575, "1.00 MiB"}, {10ull << 30, "10.0 GiB"}, {~0ull, "16.0 EiB"},
	};
	for (const auto& [n, text] : table)
		BOOST_TEST(format_bytes_rounded(Bytes{n}) == text);
}

BOOST_AUTO_TEST_CASE(shares_do_not_overflow)
{
	BOOST_TEST(percent_of(Bytes{~0ull}, Bytes{~0ull}).count == 100u);
	BOOST_TEST(percent_of(Bytes{799}, Bytes{1000}).count == 79u);
	BOOST_TEST(percent_of(Bytes{5}, Bytes{0}).count == 0u);
	BOOST_TEST(share_of(Percent{50}, Bytes{~0ull}).count == ~0ull / 2);
	BOOST_TEST(share_of(Percent{1000000}, Bytes{~0ull}).count == ~0ull);
	BOOST_TEST(round_up(Bytes{1}, Bytes{4096}).count == 4096u);
	BOOST_TEST(round_up(Bytes{4096}, Bytes{4096}).count == 4096u);
	BOOST_TEST(round_up(Bytes{~0ull}, Bytes{4096}).count == ~0ull - 4095);
}

BOOST_AUTO_TEST_CASE(words_are_divided_by_blanks)
{
	BOOST_TEST(split_words("  a  bc\td\n") == (std::vector<std::string>{"a", "bc", "d"}), boost::test_tools::per_element());
	BOOST_TEST(split_words("").empty());
	BOOST_TEST(join({"a", "b", "c"}, ", ") == "a, b, c");
	BOOST_TEST(join({}, ", ") == "");
}

BOOST_AUTO_TEST_CASE(error_says_context_object_and_reason)
{
	const Error error{Failure::refused, "create snapshot", "monday", "there is no room", "make some"};
	BOOST_TEST(error.what() == std::string{"create snapshot: monday: there is no room"});
	BOOST_TEST(error.advice() == "make some");
	BOOST_TEST((error.code() == Failure::refused));
	BOOST_TEST(Error::from_errno(ENOENT, "open", "/x").what() == std::string{"open: /x: No such file or directory"});
	BOOST_TEST((Error::from_errno(ENOENT, "open", "/x").code() == std::errc::no_such_file_or_directory));
	BOOST_TEST(Error(Failure::busy, "", "data", "").what() == std::string{"data: in use"});
}

BOOST_AUTO_TEST_CASE(device_names_have_limits)
{
	BOOST_TEST(DmName{"vg-my--lv_1.0+x#:=@"}.str() == "vg-my--lv_1.0+x#:=@");
	BOOST_TEST(DmName{std::string(127, 'a')}.str().size() == 127u);
	for (const std::string& text : {std::string{}, std::string(128, 'a'), std::string{"a/b"}, std::string{"a b"},
					std::string{"."}, std::string{".."}, std::string{"a\0b", 3}, std::string{"\xc3\xa4"}})
		BOOST_CHECK_THROW(DmName{text}, Error);
	BOOST_TEST(DmUuid{}.empty());
	BOOST_TEST(DmUuid{std::string(128, 'a')}.str().size() == 128u);
	BOOST_CHECK_THROW(DmUuid{std::string(129, 'a')}, Error);
}

BOOST_AUTO_TEST_SUITE_END()
