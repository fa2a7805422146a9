// SPDX-License-Identifier: GPL-2.0-or-later
#include "log_writer.h"
#include "sector.h"
#include "write_log.h"

#include <set>

#include <boost/test/unit_test.hpp>

using namespace tools;
using namespace unit;

namespace {

std::vector<std::byte> data(std::uint64_t sector, std::uint64_t nr, Cell stamp = cell_original)
{
	std::vector<std::byte> bytes(nr * sector_bytes);
	sectors_fill(bytes, sector, stamp);
	return bytes;
}

struct MemoryTarget : ReplayTarget {
	std::vector<std::byte> bytes = std::vector<std::byte>(256 * sector_bytes);
	void write(std::uint64_t sector, std::span<const std::byte> from) override
	{
		std::copy(from.begin(), from.end(), bytes.begin() + static_cast<std::ptrdiff_t>(sector * sector_bytes));
	}
	void zero(std::uint64_t sector, std::uint64_t nr) override
	{
		std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(sector * sector_bytes), nr * sector_bytes,
			    std::byte{0});
	}
	[[nodiscard]] Cell cell(std::uint64_t sector) const
	{
		return sector_classify(bytes.data() + sector * sector_bytes, sector);
	}
};

} // namespace

BOOST_AUTO_TEST_SUITE(write_log)

BOOST_AUTO_TEST_CASE(entries_come_back_as_they_were_written)
{
	for (const std::size_t block : {512UL, 4096UL}) {
		TemporaryFile file;
		LogWriter writer(block);
		writer.write(16, data(16, 8));
		writer.discard(32, 16);
		writer.write(64, data(64, 24), log_fua | log_metadata);
		writer.flush();
		writer.mark("ack=5");
		writer.finish(file.path);

		const WriteLog log(file.path);
		BOOST_REQUIRE_EQUAL(log.entries().size(), 6U);
		BOOST_TEST(log.entries()[0].sector == 64U); // FUA goes first: the others were in the cache
		BOOST_TEST(log.entries()[0].nr_sectors == 24U);
		BOOST_TEST(log.entries()[0].is(log_metadata));
		BOOST_TEST(log.entries()[1].sector == 16U);
		BOOST_TEST(log.entries()[2].is(log_discard));
		BOOST_TEST(log.entries()[2].nr_sectors == 16U);
		BOOST_TEST(log.entries()[3].is(log_flush));
		BOOST_TEST(log.entries()[4].mark == "ack=5");
		BOOST_TEST(log.entries()[5].mark == "dm-log-writes-end");
		std::vector<std::byte> read(sector_bytes);
		log.read(log.entries()[0], 23, read);
		BOOST_TEST(sector_matches(read.data(), 87, cell_original));
		BOOST_TEST(log_flags_text(log.entries()[0].flags) == "fua,meta");
	}
}

BOOST_AUTO_TEST_CASE(damaged_logs_are_refused)
{
	const auto refused = [](const auto &breaks) {
		TemporaryFile file;
		LogWriter writer;
		writer.write(16, data(16, 8), log_fua);
		writer.finish(file.path);
		breaks(file.path);
		BOOST_CHECK_THROW(WriteLog{file.path}, Error);
	};
	const auto poke = [](std::uint64_t offset, unsigned value) {
		return [=](const std::string &path) {
			const std::byte byte{static_cast<unsigned char>(value)};
			BlockFile(path, Access::write).write(offset, std::span(&byte, 1));
		};
	};
	refused(poke(0, 1));		// magic
	refused(poke(8, 2));		// version
	refused(poke(16, 200));		// more entries than the file has
	refused(poke(24, 3));		// sector size
	refused(poke(512 + 14, 1));	// an entry of 2^48 sectors
	refused(poke(512 * 10 + 30, 1)); // a mark of 2^48 bytes
	refused([](const std::string &path) { std::filesystem::resize_file(path, 600); });
	refused([](const std::string &path) { std::filesystem::resize_file(path, 100); });
}

BOOST_AUTO_TEST_CASE(replay_in_steps_gives_the_same_as_replay_at_once)
{
	TemporaryFile file;
	LogWriter writer;
	Random random(7);
	for (unsigned i = 1; i < 200; i++) {
		const std::uint64_t sector = random.below(240), nr = 1 + random.below(16);
		if (random.percent(10))
			writer.discard(sector, nr);
		else
			writer.write(sector, data(sector, nr, make_stamp(1, 0, i)), random.below(4));
	}
	writer.finish(file.path);
	const WriteLog log(file.path);
	MemoryTarget once, steps;
	replay_entries(log, 0, log.entries().size(), once);
	for (std::size_t i = 0; i < log.entries().size(); i++)
		replay_entries(log, i, i + 1, steps);
	BOOST_TEST((once.bytes == steps.bytes));
}

BOOST_AUTO_TEST_CASE(crash_keeps_what_was_flushed_and_fua_and_loses_some_of_the_rest)
{
	TemporaryFile file;
	LogWriter writer;
	writer.write(0, data(0, 8));
	writer.flush();
	writer.write(8, data(8, 8));
	writer.write(16, data(16, 8));
	writer.write(24, data(24, 8), log_fua);
	writer.finish(file.path);
	const WriteLog log(file.path);
	// 0: w0, 1: flush, 2: fua w24, 3: w8, 4: w16, 5: the end
	BOOST_REQUIRE_EQUAL(log.entries().size(), 6U);
	BOOST_TEST(last_flush(log, 1) == 0U);
	BOOST_TEST(last_flush(log, 2) == 1U);
	BOOST_TEST(last_flush(log, 6) == 1U);

	std::set<std::pair<bool, bool>> seen;
	bool torn = false;
	for (std::uint64_t seed = 0; seed < 200; seed++) {
		MemoryTarget target;
		replay_entries(log, 0, 1, target);
		for (const LogPiece &piece : crash_state(log, 5, seed, seed % 2))
			replay_piece(log, piece, target);
		for (std::uint64_t sector = 0; sector < 8; sector++) {
			BOOST_REQUIRE_EQUAL(target.cell(sector), cell_original);
			BOOST_REQUIRE_EQUAL(target.cell(24 + sector), cell_original);
		}
		std::uint64_t nr = 0;
		for (std::uint64_t sector = 8; sector < 24; sector++)
			nr += target.cell(sector) == cell_original;
		if (seed % 2)
			torn = torn || nr % 8;
		else
			BOOST_REQUIRE_EQUAL(nr % 8, 0U);
		seen.emplace(target.cell(8) == cell_original, target.cell(16) == cell_original);
	}
	BOOST_TEST(seen.size() == 4U);
	BOOST_TEST(torn);
}

BOOST_AUTO_TEST_CASE(fua_write_under_way_can_be_torn_but_not_one_before_a_mark)
{
	TemporaryFile file;
	LogWriter writer;
	writer.write(0, data(0, 8), log_fua);
	writer.mark("ack=1");
	writer.finish(file.path);
	const WriteLog log(file.path);
	bool torn = false;
	for (std::uint64_t seed = 0; seed < 50; seed++) {
		const auto pieces = crash_state(log, 1, seed, true);
		torn = torn || pieces.size() != 1 || pieces[0].nr_sectors != 8;
		const auto after = crash_state(log, 2, seed, true);
		BOOST_REQUIRE(after.size() == 1 && after[0].nr_sectors == 8);
	}
	BOOST_TEST(torn);
}

BOOST_AUTO_TEST_SUITE_END()
