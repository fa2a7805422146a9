// SPDX-License-Identifier: GPL-2.0-or-later
//
// Lines that nobody would write: made from good ones by changing, dropping and
// doubling bytes and words. A parser answers with Error or with a value that
// formats to a line which reads as the same value.
#include <boost/test/unit_test.hpp>

#include <random>

#include "base/error.h"
#include "base/text.h"
#include "dm/tables.h"

using namespace snapctl;
using namespace snapctl::dm;

namespace {

class Mutator {
public:
	std::string mutate(std::string text)
	{
		for (std::uint32_t n = pick(4) + 1; n > 0; n--)
			once(text);
		return text;
	}
	std::uint32_t pick(std::size_t below)
	{
		return std::uniform_int_distribution<std::uint32_t>{0, static_cast<std::uint32_t>(below) - 1}(random_);
	}

private:
	void once(std::string& text)
	{
		static constexpr std::string_view bytes{"0123456789 :/-POpN\t\n\0\xff%{}", 26};
		const std::uint32_t at = pick(text.size() + 1);
		switch (pick(5)) {
		case 0: text.insert(at, 1, bytes[pick(bytes.size())]); break;
		case 1: text.erase(at, pick(6)); break;
		case 2:
			if (at < text.size())
				text[at] = bytes[pick(bytes.size())];
			break;
		case 3: text.insert(at, text.substr(pick(text.size() + 1), pick(12))); break;
		default: text.insert(at, "18446744073709551616"); break;
		}
	}
	std::mt19937 random_{20240229};
};

constexpr int rounds = 20000;

} // namespace

BOOST_AUTO_TEST_SUITE(random_lines)

BOOST_AUTO_TEST_CASE(table_lines_are_refused_or_survive)
{
	const std::vector<std::string> good{
		"0 8192 snapshot-origin 253:3", "0 8192 snapshot 253:1 253:2 P 8",
		"0 8192 snapshot 8:1 7:0 PO 8 5 queue_if_no_space low_water_mark 4096 no_space_timeout 0",
		"100 8192 linear 8:16 2048", "0 8192 crypt aes-xts-plain64 :64:logon:x 0 8:1 32768 1 allow_discards"};
	Mutator mutator;
	int accepted = 0;
	for (int i = 0; i < rounds; i++) {
		const std::string line = mutator.mutate(good[mutator.pick(good.size())]);
		try {
			const Target target = parse_target(line);
			accepted++;
			BOOST_REQUIRE_MESSAGE(parse_target(format_target(target)) == target, line);
		} catch (const Error&) {
		}
	}
	// Not all were nonsense.
	BOOST_TEST(accepted > rounds / 50);
	BOOST_TEST(accepted < rounds);
}

BOOST_AUTO_TEST_CASE(status_lines_sizes_and_numbers_are_refused_or_survive)
{
	const std::vector<std::string> good{"16/8192 16", "Invalid", "Merge failed", "253:17", "10G", "1.5T", "20%"};
	Mutator mutator;
	int accepted = 0;
	for (int i = 0; i < rounds; i++) {
		const std::string text = mutator.mutate(good[mutator.pick(good.size())]);
		try {
			const SnapshotStatus status = parse_snapshot_status(text);
			BOOST_REQUIRE(parse_snapshot_status(format_snapshot_status(status)) == status);
			accepted++;
		} catch (const Error&) {
		}
		try {
			const auto size = parse_size(text);
			BOOST_REQUIRE(parse_size(format_size(size)) == size);
			accepted++;
		} catch (const Error&) {
		}
		if (const auto number = parse_device_number(text))
			BOOST_REQUIRE(parse_device_number(number->str()) == number);
	}
	BOOST_TEST(accepted > rounds / 50);
}

BOOST_AUTO_TEST_SUITE_END()
