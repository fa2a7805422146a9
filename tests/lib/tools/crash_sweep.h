// SPDX-License-Identifier: GPL-2.0-or-later
//
// Compares what a crash left of an origin and its snapshots with what a plan
// allows, without a kernel: stores are read from the image of the disk, a
// snapshot's sector is that of its COW chunk where the store has an entry, else
// the origin's.
#ifndef TOOLS_CRASH_SWEEP_H
#define TOOLS_CRASH_SWEEP_H

#include "crash_plan.h"
#include "store_scan.h"
#include "write_log.h"

namespace tools {

struct DiskArea {
	std::uint64_t start;
	std::uint64_t sectors;
};

// Where things lie on the disk below the log.
struct DiskLayout {
	std::uint64_t origin_start = 0;
	std::vector<DiskArea> cows; // of each snapshot

	[[nodiscard]] std::uint64_t end(std::uint64_t origin_sectors) const;
};

// A disk in memory that knows what each sector says of itself.
class DiskImage : public ReplayTarget {
public:
	explicit DiskImage(std::uint64_t sectors);

	void write(std::uint64_t sector, std::span<const std::byte> data) override;
	void zero(std::uint64_t sector, std::uint64_t nr_sectors) override;

	[[nodiscard]] std::uint64_t sectors() const { return names_.size(); }
	[[nodiscard]] const std::byte *data(std::uint64_t sector) const { return bytes_.data() + sector * sector_bytes; }
	// What is read as sector @number lies at @at: is it @stamp's?
	[[nodiscard]] bool holds(std::uint64_t at, std::uint64_t number, Cell stamp) const
	{
		return names_[at].sector == number && names_[at].stamp == stamp;
	}
	// Counts writes of sectors in a range that are, or replace, data that is not
	// self-describing: metadata. Contents of a COW device with the same count
	// have the same store.
	[[nodiscard]] std::uint64_t metadata_version(const DiskArea &area) const;

	// From here on everything that is overwritten is kept; undo() puts it back.
	void start_undo() { undoing_ = true; }
	void undo();

private:
	struct Saved {
		std::uint64_t sector;
		std::vector<std::byte> data;
	};
	void changed(std::uint64_t sector, bool metadata);

	std::vector<std::byte> bytes_;
	std::vector<SectorName> names_;
	static constexpr std::uint64_t region_sectors = 1024;
	std::vector<std::uint64_t> versions_; // of each region
	std::uint64_t last_version_ = 0;
	bool undoing_ = false;
	std::vector<Saved> saved_;
};

struct CrashFault {
	std::string text;
};

// What each target holds according to the marks seen so far.
class Expectations {
public:
	// Follows a mark; others than plans and acks mean nothing.
	void mark(std::string_view text);

	[[nodiscard]] bool started() const { return plan_.has_value(); }
	[[nodiscard]] const CrashPlan &plan() const { return *plan_; }
	[[nodiscard]] std::uint64_t acked() const { return acked_; } // the next number to be acknowledged
	[[nodiscard]] const std::vector<Cell> &cells(unsigned target) const { return cells_[target]; }
	[[nodiscard]] bool may_be(unsigned target, std::uint64_t sector, const DiskImage &image, std::uint64_t at) const;
	[[nodiscard]] std::string text(unsigned target, std::uint64_t sector) const;

private:
	void start(const CrashPlan &plan);
	void ack(std::uint64_t next);
	void prepare_batch();

	std::optional<CrashPlan> plan_;
	std::uint64_t acked_ = 0;
	std::uint64_t batch_ = 0; // index of the batch in question
	std::vector<PlannedWrite> pending_;
	std::vector<std::vector<Cell>> cells_;
};

// Checks states of one image again and again; keeps what it knows of the stores.
class CrashChecker {
public:
	explicit CrashChecker(const DiskLayout &layout) : layout_(layout), stores_(layout.cows.size()) {}

	// The faults of this state, at most @max.
	[[nodiscard]] std::vector<CrashFault> check(const DiskImage &image, const Expectations &expected,
						    std::size_t max = 8);

private:
	struct Store {
		std::uint64_t version = ~std::uint64_t{0};
		std::uint64_t origin_sectors = 0;
		std::uint32_t chunk_sectors = 0;
		std::vector<chunk_t> new_chunks; // by old chunk, 0: none
		std::vector<std::string> damage;
	};
	void load_store(unsigned snap, const DiskImage &image, std::uint64_t origin_sectors);
	void check_target(const DiskImage &image, const Expectations &expected, unsigned target,
			  std::uint64_t sectors, const Store *store, std::vector<CrashFault> &faults, std::size_t max);

	DiskLayout layout_;
	std::vector<Store> stores_;
};

struct SweepOptions {
	std::uint64_t drops = 4;  // reordered states at each point
	bool tear = true;
	std::uint64_t seed = 1;
	std::uint64_t stride = 1; // look at every so many points
	bool points_only = false; // only behind flushes, FUA writes and marks
	std::uint64_t max_faults = 20;
};

struct SweepResult {
	std::uint64_t points = 0, states = 0, batches = 0, faults = 0;
};

// Every crash state of @log, told through @report. @image is what the disk held
// before the log began.
[[nodiscard]] SweepResult sweep_log(const WriteLog &log, const DiskLayout &layout, const DiskImage &image,
				    const SweepOptions &options, const std::function<void(const std::string &)> &report);

} // namespace tools

#endif
