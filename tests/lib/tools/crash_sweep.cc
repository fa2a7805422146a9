// SPDX-License-Identifier: GPL-2.0-or-later
#include "crash_sweep.h"

#include <algorithm>
#include <cstring>

namespace tools {

namespace {

constexpr SectorName no_name{~std::uint64_t{0}, cell_any};

std::string place_text(std::uint64_t sector, bool on_cow)
{
	return (on_cow ? "in the COW device, disk sector " : "on the origin, disk sector ") + std::to_string(sector);
}

} // namespace

std::uint64_t DiskLayout::end(std::uint64_t origin_sectors) const
{
	std::uint64_t last = origin_start + origin_sectors;
	for (const DiskArea &cow : cows)
		last = std::max(last, cow.start + cow.sectors);
	return last;
}

DiskImage::DiskImage(std::uint64_t sectors)
	: bytes_(sectors * sector_bytes), names_(sectors, no_name), versions_(sectors / region_sectors + 1, 0)
{
}

void DiskImage::changed(std::uint64_t sector, bool metadata)
{
	if (metadata)
		versions_[sector / region_sectors] = ++last_version_;
}

void DiskImage::write(std::uint64_t sector, std::span<const std::byte> data)
{
	if (data.size() / sector_bytes > sectors() || sector > sectors() - data.size() / sector_bytes)
		throw Error("replay: sector " + std::to_string(sector) + " is beyond the image");
	if (undoing_) {
		const std::byte *old = this->data(sector);
		saved_.push_back({sector, std::vector<std::byte>(old, old + data.size())});
	}
	std::memcpy(bytes_.data() + sector * sector_bytes, data.data(), data.size());
	for (std::size_t at = 0; at < data.size(); at += sector_bytes, sector++) {
		const SectorName name = sector_name(data.data() + at).value_or(no_name);
		changed(sector, name.stamp == cell_any || names_[sector].stamp == cell_any);
		names_[sector] = name;
	}
}

void DiskImage::zero(std::uint64_t sector, std::uint64_t nr_sectors)
{
	constexpr std::uint64_t step = 256;
	static const std::vector<std::byte> zeroes(step * sector_bytes);
	while (nr_sectors) {
		const std::uint64_t now = std::min(step, nr_sectors);
		write(sector, std::span(zeroes).first(now * sector_bytes));
		sector += now;
		nr_sectors -= now;
	}
}

std::uint64_t DiskImage::metadata_version(const DiskArea &area) const
{
	std::uint64_t newest = 0;
	for (std::uint64_t region = area.start / region_sectors;
	     region <= (area.start + area.sectors) / region_sectors && region < versions_.size(); region++)
		newest = std::max(newest, versions_[region]);
	return newest;
}

void DiskImage::undo()
{
	undoing_ = false;
	while (!saved_.empty()) {
		write(saved_.back().sector, saved_.back().data);
		saved_.pop_back();
	}
}

void Expectations::mark(std::string_view text)
{
	if (const auto plan = parse_plan(text))
		start(*plan);
	else if (const auto next = parse_ack(text))
		ack(*next);
}

void Expectations::start(const CrashPlan &plan)
{
	if (plan_ && plan.first < acked_)
		throw Error("plan: starts at write " + std::to_string(plan.first) + ", but those below " +
			    std::to_string(acked_) + " are done");
	plan_ = plan;
	acked_ = plan.first;
	batch_ = 0;
	if (cells_.size() < plan.snaps.size() + 1)
		cells_.resize(plan.snaps.size() + 1);
	std::vector<Cell> &origin = cells_[0];
	origin.resize(plan.origin_sectors, cell_original);
	if (plan.adopted) {
		const std::vector<Cell> &merged = cells_[*plan.adopted + 1];
		std::copy_n(merged.begin(), std::min(merged.size(), origin.size()), origin.begin());
	}
	for (std::size_t i = 0; i < plan.snaps.size(); i++) {
		std::vector<Cell> &cells = cells_[i + 1];
		if (cells.empty()) // new: what the origin holds now
			cells.assign(origin.begin(), origin.begin() + static_cast<std::ptrdiff_t>(plan.snaps[i]));
		else
			cells.resize(plan.snaps[i], cell_original);
	}
	prepare_batch();
}

void Expectations::prepare_batch()
{
	pending_ = plan_batch(*plan_, batch_);
}

void Expectations::ack(std::uint64_t next)
{
	if (!plan_)
		throw Error("ack: before any plan");
	while (acked_ < next) {
		for (const PlannedWrite &write : pending_)
			std::fill_n(cells_[write.target].begin() + static_cast<std::ptrdiff_t>(write.range.start),
				    write.range.nr, write.stamp);
		batch_++;
		acked_ += plan_->batch;
		prepare_batch();
	}
	if (acked_ != next)
		throw Error("ack: " + std::to_string(next) + " is not the end of a batch");
}

bool Expectations::may_be(unsigned target, std::uint64_t sector, const DiskImage &image, std::uint64_t at) const
{
	return std::ranges::any_of(pending_, [&](const PlannedWrite &write) {
		return write.target == target && write.range.start <= sector && sector < write.range.end() &&
		       image.holds(at, sector, write.stamp);
	});
}

std::string Expectations::text(unsigned target, std::uint64_t sector) const
{
	std::string text = cell_text(cells_[target][sector]);
	for (const PlannedWrite &write : pending_)
		if (write.target == target && write.range.start <= sector && sector < write.range.end())
			text += " or " + cell_text(write.stamp);
	return text;
}

void CrashChecker::load_store(unsigned snap, const DiskImage &image, std::uint64_t origin_sectors)
{
	Store &store = stores_[snap];
	const DiskArea &area = layout_.cows[snap];
	const std::uint64_t version = image.metadata_version(area);
	if (store.version == version && store.origin_sectors == origin_sectors)
		return;

	StoreScanOptions how;
	how.origin_sectors = origin_sectors;
	const StoreScan scan = scan_store(
		[&](std::uint64_t offset, std::span<std::byte> into) {
			std::memcpy(into.data(), image.data(area.start) + offset, into.size());
		},
		area.sectors, how);

	store.version = version;
	store.origin_sectors = origin_sectors;
	store.damage = scan.damage;
	store.new_chunks.clear();
	if (scan.kind == SNAP_HEADER_FRESH)
		store.damage.emplace_back("header: there is no store");
	else if (scan.kind == SNAP_HEADER_STORE && !scan.header.valid)
		store.damage.emplace_back("header: the store is invalidated");
	if (!store.damage.empty())
		return;
	store.chunk_sectors = scan.header.chunk_sectors;
	store.new_chunks.assign((origin_sectors + store.chunk_sectors - 1) / store.chunk_sectors, 0);
	for (const StoreEntry &entry : scan.entries)
		store.new_chunks[entry.old_chunk] = entry.new_chunk;
}

void CrashChecker::check_target(const DiskImage &image, const Expectations &expected, unsigned target,
				std::uint64_t sectors, const Store *store, std::vector<CrashFault> &faults,
				std::size_t max)
{
	const std::vector<Cell> &cells = expected.cells(target);
	const std::uint64_t step = store ? store->chunk_sectors : sectors;
	for (std::uint64_t start = 0; start < sectors; start += step) {
		const chunk_t chunk = store ? store->new_chunks[start / step] : 0;
		const std::uint64_t base = chunk ? layout_.cows[target - 1].start + chunk * step
						 : layout_.origin_start + start;
		for (std::uint64_t i = 0; i < step && start + i < sectors; i++) {
			const std::uint64_t sector = start + i, at = base + i;
			if (image.holds(at, sector, cells[sector]) || expected.may_be(target, sector, image, at))
				continue;
			if (faults.size() >= max)
				return;
			const std::string name = target ? "snap" + std::to_string(target - 1) : "origin";
			faults.push_back({name + " sector " + std::to_string(sector) + ": expected " +
					  expected.text(target, sector) + ", found " +
					  sector_text(image.data(at), sector) + " " + place_text(at, chunk != 0)});
			if (!store)
				return;
			break; // one fault of a chunk says enough
		}
	}
}

std::vector<CrashFault> CrashChecker::check(const DiskImage &image, const Expectations &expected, std::size_t max)
{
	const CrashPlan &plan = expected.plan();
	std::vector<CrashFault> faults;
	if (plan.snaps.size() > layout_.cows.size())
		throw Error("check: the plan has " + std::to_string(plan.snaps.size()) + " snapshots, the layout " +
			    std::to_string(layout_.cows.size()) + " COW areas");
	// What merges lies under the origin's name; the origin itself is on its way.
	if (!plan.merging)
		check_target(image, expected, 0, plan.origin_sectors, nullptr, faults, max);
	for (unsigned snap = 0; snap < plan.snaps.size(); snap++) {
		if (!plan.snaps[snap])
			continue;
		load_store(snap, image, plan.origin_sectors);
		const Store &store = stores_[snap];
		for (const std::string &line : store.damage)
			faults.push_back({"snap" + std::to_string(snap) + " store: " + line});
		if (store.damage.empty())
			check_target(image, expected, snap + 1, plan.snaps[snap], &store, faults, max);
	}
	return faults;
}

namespace {

// Two images: @now is the disk without a cache, @flushed what a lost cache leaves.
class Sweep {
public:
	Sweep(const WriteLog &log, const DiskLayout &layout, const DiskImage &image, const SweepOptions &options,
	      const std::function<void(const std::string &)> &report)
		: log_(log), options_(options), report_(report), now_(image), flushed_(image), now_checker_(layout),
		  crash_checker_(layout)
	{
	}

	SweepResult run()
	{
		const auto &entries = log_.entries();
		std::uint64_t acked = 0;
		for (std::size_t stop = 1; stop <= entries.size() && result_.faults < options_.max_faults; stop++) {
			const LogEntry &entry = entries[stop - 1];
			if (entry.is(log_mark)) {
				expected_.mark(entry.mark);
				if (expected_.started() && expected_.acked() != acked) {
					result_.batches += acked != 0;
					acked = expected_.acked();
				}
			}
			replay_entries(log_, stop - 1, stop, now_);
			if (!expected_.started() || (options_.points_only && !entry.is_point()))
				continue;
			if (until_next_ == 0) {
				until_next_ = options_.stride;
				check_point(stop);
			}
			until_next_--;
		}
		return result_;
	}

private:
	void tell(std::size_t stop, const std::string &which, const std::vector<CrashFault> &faults)
	{
		result_.states++;
		if (faults.empty())
			return;
		result_.faults++;
		for (const CrashFault &fault : faults)
			report_("after " + std::to_string(stop) + " entries" + which + ": " + fault.text);
	}

	void check_point(std::size_t stop)
	{
		result_.points++;
		tell(stop, "", now_checker_.check(now_, expected_));
		const std::size_t flush = last_flush(log_, stop);
		if (flush > flushed_to_) {
			replay_entries(log_, flushed_to_, flush, flushed_);
			flushed_to_ = flush;
		}
		for (std::uint64_t i = 0; i < options_.drops; i++) {
			const std::uint64_t seed = options_.seed + i;
			const auto pieces = crash_state(log_, stop, seed, options_.tear);
			flushed_.start_undo();
			for (const LogPiece &piece : pieces)
				replay_piece(log_, piece, flushed_);
			tell(stop, " with --drop " + std::to_string(seed) + (options_.tear ? " --tear" : ""),
			     crash_checker_.check(flushed_, expected_));
			flushed_.undo();
		}
	}

	const WriteLog &log_;
	const SweepOptions &options_;
	const std::function<void(const std::string &)> &report_;
	DiskImage now_, flushed_;
	CrashChecker now_checker_, crash_checker_;
	std::size_t flushed_to_ = 0;
	Expectations expected_;
	std::uint64_t until_next_ = 0;
	SweepResult result_;
};

} // namespace

SweepResult sweep_log(const WriteLog &log, const DiskLayout &layout, const DiskImage &image,
		      const SweepOptions &options, const std::function<void(const std::string &)> &report)
{
	return Sweep(log, layout, image, options, report).run();
}

} // namespace tools
