// SPDX-License-Identifier: GPL-2.0-or-later
//
// A snapshot of a few lines writes logs, a correct one and ones with the faults
// that a crash test is there to find.
#include "crash_sweep.h"
#include "log_writer.h"

#include <boost/test/unit_test.hpp>

using namespace tools;
using namespace unit;

namespace {

constexpr std::uint64_t origin_sectors = 1024, cow_sectors = 2048, chunk_sectors = 2;

enum class Fault {
	none,
	origin_before_metadata,	 // the write goes on before the exception is committed
	metadata_without_flush,	 // the copy may still be in the cache
	metadata_without_fua,	 // nobody waits for the commit
	copies_the_neighbour,
	next_area_not_zeroed,
	ack_without_flush,
	merge_without_flush,	 // the exception is forgotten before the data is durable
};

// A disk with the origin and, behind it, the COW device of one snapshot.
class Simulation {
public:
	Simulation(Fault fault, const CrashPlan &plan) : fault_(fault), plan_(plan), disk_(origin_sectors + cow_sectors)
	{
		snap_geometry_init(&geometry_, chunk_sectors, cow_sectors);
		new_chunks_.resize(origin_sectors / chunk_sectors);
		std::vector<std::byte> pattern(origin_sectors * sector_bytes);
		sectors_fill(pattern, 0, cell_original);
		write(0, pattern);
		// Old dirt where areas will be: entries that look true.
		if (fault == Fault::next_area_not_zeroed)
			for (std::uint64_t area = 1; area < 4; area++)
				write_area(area, std::vector<StoreEntry>(geometry_.entries_per_area,
									 {300 + area, 900 + area}), 0);
		write(origin_sectors, std::vector<std::byte>(2 * chunk_sectors * sector_bytes));
		log.flush();
		snap_header_disk header;
		const snap_header fields{.valid = true, .version = 1, .chunk_sectors = chunk_sectors};
		snap_header_pack(&fields, &header);
		std::vector<std::byte> sector(sector_bytes);
		std::memcpy(sector.data(), &header, sizeof(header));
		write(origin_sectors, sector, log_fua);
		log.flush();
		log.mark(format_plan(plan_));
	}

	void batches(std::uint64_t nr)
	{
		for (std::uint64_t i = 0; i < nr; i++) {
			for (const PlannedWrite &planned : plan_batch(plan_, next_batch_)) {
				std::vector<std::byte> data(planned.range.nr * sector_bytes);
				sectors_fill(data, planned.range.start, planned.stamp);
				if (planned.target && !plan_.merging)
					write_snapshot(planned.range, data);
				else
					write_origin(planned.range, data);
			}
			next_batch_++;
			if (fault_ != Fault::ack_without_flush)
				log.flush();
			log.mark("ack=" + std::to_string(plan_.first + next_batch_ * plan_.batch));
		}
	}

	void start_merge()
	{
		plan_.first += next_batch_ * plan_.batch;
		next_batch_ = 0;
		plan_.merging = 0;
		log.flush();
		log.mark(format_plan(plan_));
	}

	void merge(std::uint64_t nr)
	{
		nr = std::min<std::uint64_t>(nr, entries_.size());
		for (std::uint64_t i = 0; i < nr; i++) {
			const StoreEntry entry = entries_[entries_.size() - 1 - i];
			write(entry.old_chunk * chunk_sectors, disk_data(cow_sector(entry.new_chunk)));
			new_chunks_[entry.old_chunk] = 0;
		}
		entries_.resize(entries_.size() - nr);
		// From the last area on: an area that is empty needs no more, one below is full.
		const std::uint64_t per_area = geometry_.entries_per_area;
		for (std::uint64_t area = (entries_.size() + nr) / per_area + 1; area-- > entries_.size() / per_area;)
			write_area(area, {entries_.begin() + static_cast<std::ptrdiff_t>(
						  std::min<std::uint64_t>(area * per_area, entries_.size())),
					  entries_.end()},
				   fault_ == Fault::merge_without_flush ? std::uint64_t{log_fua} : log_flush | log_fua);
	}

	SweepResult sweep(std::string &text)
	{
		TemporaryFile file;
		log.finish(file.path);
		const WriteLog written(file.path);
		DiskLayout layout;
		layout.cows.push_back({origin_sectors, cow_sectors});
		SweepOptions options;
		options.max_faults = 5;
		return sweep_log(written, layout, DiskImage(origin_sectors + cow_sectors), options,
				 [&text](const std::string &line) { text += line + "\n"; });
	}

	[[nodiscard]] std::size_t nr_entries() const { return entries_.size(); }

	LogWriter log;

private:
	[[nodiscard]] std::uint64_t cow_sector(chunk_t chunk) const { return origin_sectors + chunk * chunk_sectors; }

	std::vector<std::byte> disk_data(std::uint64_t sector)
	{
		const std::byte *data = disk_.data(sector);
		return {data, data + chunk_sectors * sector_bytes};
	}

	void write(std::uint64_t sector, const std::vector<std::byte> &data, std::uint64_t flags = 0)
	{
		disk_.write(sector, data);
		log.write(sector, data, flags);
	}

	void write_area(std::uint64_t area, std::vector<StoreEntry> entries, std::uint64_t flags)
	{
		std::vector<std::byte> bytes(chunk_sectors * sector_bytes);
		entries.resize(std::min<std::size_t>(entries.size(), geometry_.entries_per_area));
		for (std::size_t i = 0; i < entries.size(); i++) {
			snap_entry_disk disk;
			snap_entry_pack(entries[i].old_chunk, entries[i].new_chunk, &disk);
			std::memcpy(bytes.data() + i * sizeof(disk), &disk, sizeof(disk));
		}
		write(cow_sector(snap_area_chunk(&geometry_, area)), bytes, flags);
	}

	// Copies and commits the chunks of @range that have no exception yet.
	void preserve(SectorRange range)
	{
		const std::size_t before = entries_.size();
		for (chunk_t chunk = range.start / chunk_sectors; chunk <= (range.end() - 1) / chunk_sectors; chunk++) {
			if (new_chunks_[chunk])
				continue;
			chunk_t target = 0;
			BOOST_REQUIRE(snap_area_alloc_run(&geometry_, &next_free_, entries_.size(), 1, &target) == 1);
			const bool neighbour = fault_ == Fault::copies_the_neighbour && chunk % 16 == 5;
			write(cow_sector(target), disk_data((neighbour ? chunk + 1 : chunk) * chunk_sectors));
			entries_.push_back({chunk, target});
			new_chunks_[chunk] = target;
		}
		const std::uint64_t per_area = geometry_.entries_per_area;
		if (entries_.size() == before)
			return;
		std::uint64_t flags = log_flush | log_fua;
		if (fault_ == Fault::metadata_without_flush)
			flags = log_fua;
		if (fault_ == Fault::metadata_without_fua)
			flags = log_flush;
		for (std::uint64_t area = before / per_area; area <= (entries_.size() - 1) / per_area; area++) {
			if (entries_.size() >= (area + 1) * per_area && fault_ != Fault::next_area_not_zeroed)
				write_area(area + 1, {}, log_fua);
			write_area(area, {entries_.begin() + static_cast<std::ptrdiff_t>(area * per_area), entries_.end()},
				   flags);
		}
	}

	void write_origin(SectorRange range, const std::vector<std::byte> &data)
	{
		if (plan_.merging) { // to the COW chunk where there is one still
			for (std::uint64_t i = 0; i < range.nr; i++) {
				const std::uint64_t sector = range.start + i;
				const chunk_t chunk = new_chunks_[sector / chunk_sectors];
				write(chunk ? cow_sector(chunk) + sector % chunk_sectors : sector,
				      {data.begin() + static_cast<std::ptrdiff_t>(i * sector_bytes),
				       data.begin() + static_cast<std::ptrdiff_t>((i + 1) * sector_bytes)});
			}
			return;
		}
		if (fault_ == Fault::origin_before_metadata) {
			log.write(range.start, data);
			preserve(range);
			disk_.write(range.start, data);
			return;
		}
		preserve(range);
		write(range.start, data);
	}

	void write_snapshot(SectorRange range, const std::vector<std::byte> &data)
	{
		preserve(range);
		for (std::uint64_t i = 0; i < range.nr; i++) {
			const std::uint64_t sector = range.start + i;
			write(cow_sector(new_chunks_[sector / chunk_sectors]) + sector % chunk_sectors,
			      {data.begin() + static_cast<std::ptrdiff_t>(i * sector_bytes),
			       data.begin() + static_cast<std::ptrdiff_t>((i + 1) * sector_bytes)});
		}
	}

	Fault fault_;
	CrashPlan plan_;
	DiskImage disk_;
	snap_geometry geometry_{};
	chunk_t next_free_ = 2;
	std::vector<StoreEntry> entries_;
	std::vector<chunk_t> new_chunks_;
	std::uint64_t next_batch_ = 0;
};

CrashPlan small_plan()
{
	CrashPlan plan;
	plan.batch = 4;
	plan.max_sectors = 24;
	plan.origin_sectors = origin_sectors;
	plan.snaps = {origin_sectors};
	plan.writable = {true};
	return plan;
}

SweepResult run(Fault fault, std::string &text, bool merging = false)
{
	Simulation simulation(fault, small_plan());
	simulation.batches(merging ? 12 : 30);
	if (merging) {
		simulation.start_merge();
		while (simulation.nr_entries()) {
			simulation.merge(7);
			simulation.batches(1);
		}
		simulation.batches(2);
	} else {
		BOOST_REQUIRE(simulation.nr_entries() > 130); // several areas
	}
	return simulation.sweep(text);
}

} // namespace

BOOST_AUTO_TEST_SUITE(crash_plan)

BOOST_AUTO_TEST_CASE(plan_survives_its_mark)
{
	CrashPlan plan = small_plan();
	BOOST_TEST((parse_plan(format_plan(plan)) == plan));
	plan.snaps = {0, 512, 100};
	plan.writable = {false, true, false};
	plan.merging = 1;
	plan.adopted = 0;
	plan.seed = 1234567;
	BOOST_TEST((parse_plan(format_plan(plan)) == plan));
	BOOST_TEST(!parse_plan("ack=5"));
	BOOST_CHECK_THROW((void)parse_plan("plan:seed=x"), Error);
	BOOST_CHECK_THROW((void)parse_plan("plan:seed=1"), Error); // no origin
	BOOST_CHECK_THROW((void)parse_plan("plan:origin=8,merging=0"), Error);
	BOOST_TEST(*parse_ack("ack 12") == 12U);
	BOOST_TEST(*parse_ack("ack=12") == 12U);
	BOOST_TEST(!parse_ack("acknowledged"));
}

BOOST_AUTO_TEST_CASE(writes_of_a_batch_stay_on_their_devices_and_do_not_overlap)
{
	CrashPlan plan = small_plan();
	plan.snaps = {512, 0, 256};
	plan.writable = {true, true, false};
	plan.batch = 16;
	std::vector<unsigned> seen(4);
	for (std::uint64_t index = 0; index < 200; index++) {
		const auto writes = plan_batch(plan, index);
		BOOST_REQUIRE_EQUAL(writes.size(), plan_batch(plan, index).size());
		for (std::size_t i = 0; i < writes.size(); i++) {
			seen.at(writes[i].target)++;
			BOOST_REQUIRE_LE(writes[i].range.end(), writes[i].target ? 512U : origin_sectors);
			for (std::size_t j = 0; j < i; j++)
				BOOST_REQUIRE(writes[i].target != writes[j].target ||
					      writes[i].range.end() <= writes[j].range.start ||
					      writes[j].range.end() <= writes[i].range.start);
		}
	}
	BOOST_TEST(seen[0] > 1000U);
	BOOST_TEST(seen[1] > 500U);
	BOOST_TEST(seen[2] == 0U); // not there
	BOOST_TEST(seen[3] == 0U); // read only
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(crash_sweep)

BOOST_AUTO_TEST_CASE(correct_snapshot_is_right_in_every_state)
{
	std::string text;
	const SweepResult result = run(Fault::none, text);
	BOOST_TEST(result.faults == 0U, text);
	BOOST_TEST(result.batches == 30U);
	BOOST_TEST(result.states > 1000U);
}

BOOST_AUTO_TEST_CASE(correct_merge_is_right_in_every_state)
{
	std::string text;
	const SweepResult result = run(Fault::none, text, true);
	BOOST_TEST(result.faults == 0U, text);
}

BOOST_AUTO_TEST_CASE(each_fault_of_a_snapshot_is_found)
{
	for (const Fault fault : {Fault::origin_before_metadata, Fault::metadata_without_flush,
				  Fault::metadata_without_fua, Fault::copies_the_neighbour,
				  Fault::next_area_not_zeroed, Fault::ack_without_flush}) {
		std::string text;
		const SweepResult result = run(fault, text);
		BOOST_TEST(result.faults > 0U, "fault " << static_cast<int>(fault) << " was not found");
		BOOST_TEST_MESSAGE("fault " << static_cast<int>(fault) << ": " << text.substr(0, text.find('\n')));
	}
}

BOOST_AUTO_TEST_CASE(merge_that_forgets_too_early_is_found)
{
	std::string text;
	const SweepResult result = run(Fault::merge_without_flush, text, true);
	BOOST_TEST(result.faults > 0U);
	BOOST_TEST_MESSAGE(text.substr(0, text.find('\n')));
}

BOOST_AUTO_TEST_CASE(undone_image_is_as_before)
{
	DiskImage image(64), copy(64);
	std::vector<std::byte> data(8 * sector_bytes);
	sectors_fill(data, 8, cell_original);
	image.write(8, data);
	image.start_undo();
	image.zero(4, 16);
	sectors_fill(data, 8, make_stamp(1, 1, 1));
	image.write(8, data);
	BOOST_TEST(image.holds(8, 8, make_stamp(1, 1, 1)));
	image.undo();
	BOOST_TEST(image.holds(8, 8, cell_original));
	BOOST_TEST(!image.holds(4, 4, cell_original));
	BOOST_CHECK_THROW(image.write(60, data), Error);
}

BOOST_AUTO_TEST_SUITE_END()
