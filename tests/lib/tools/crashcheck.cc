// SPDX-License-Identifier: GPL-2.0-or-later
//
// Crash safety, point by point: `drive` puts a planned load on an origin and its
// snapshots above dm-log-writes, `sweep` goes through the log in memory and
// compares every state that a crash could have left with the plan.
#include "base.h"
#include "crash_plan.h"
#include "crash_sweep.h"
#include "write_log.h"

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <thread>

#include <libdevmapper.h>

using namespace tools;

namespace {

constexpr const char *usage_text =
	"usage: crashcheck drive --origin DEV [--snap DEV[:rw] | --snap none]... --mark LOGNAME --batches N\n"
	"                  [--batch N] [--seed N] [--first N] [--max-io BYTES] [--align BYTES]\n"
	"                  [--snap-percent N] [--merging I | --adopted I]\n"
	"       crashcheck sweep LOG --cow START:SECTORS... [--origin-start SECTOR] [--base FILE | --base-pattern N]\n"
	"                  [--drops N] [--no-tear] [--seed N] [--stride N] [--points-only] [--max-faults N]\n"
	"       crashcheck verify DISK --log LOG --entries N --cow START:SECTORS... [--origin-start SECTOR]\n"
	"                  [--seen DEV | --seen none]...\n"
	"drive: the origin holds the pattern (`pattern write`) and the snapshots exist. Marks go to the\n"
	"  dm-log-writes device LOGNAME (`none`: nowhere). With --merging I the device of --origin is the\n"
	"  snapshot-merge target of snapshot I (--snap DEV of I is not opened, `none` is not enough: give its\n"
	"  size as --snap SECTORSs). --adopted I: its merge is done, the origin holds its contents.\n"
	"  Prints next=N, the --first of the next phase.\n"
	"sweep: areas in sectors of the disk under the log, a --cow for each snapshot in order. Before the log\n"
	"  began the disk held zeroes, or FILE, or the pattern in its first N sectors.\n"
	"  Exit 1 when a state is wrong; `--drop SEED --tear` of a report gives the same state with logreplay.\n"
	"verify: DISK is what a replay of N entries made. --seen, for each snapshot in order: the device under\n"
	"  which the kernel shows it must hold what the plan says, too.\n";

DiskArea parse_area(const std::string &text)
{
	const auto parts = split(text, ':');
	if (parts.size() != 2)
		throw UsageError("START:SECTORS expected, not " + text);
	return {parse_number(parts[0]), parse_number(parts[1])};
}

DiskLayout layout_of(const Options &options)
{
	DiskLayout layout;
	layout.origin_start = options.number("origin-start", 0);
	for (const std::string &text : options.all("cow"))
		layout.cows.push_back(parse_area(text));
	return layout;
}

// The plan decides how large the disk is.
std::uint64_t disk_sectors(const WriteLog &log, const DiskLayout &layout)
{
	std::uint64_t last = 0;
	bool planned = false;
	for (const LogEntry &entry : log.entries()) {
		if (!entry.is(log_mark))
			last = std::max(last, entry.sector + entry.nr_sectors);
		else if (const auto plan = parse_plan(entry.mark)) {
			last = std::max(last, layout.end(plan->origin_sectors));
			planned = true;
		}
	}
	if (!planned)
		throw Error("log: no mark with a plan: nothing to compare with");
	return last;
}

void load_base(const Options &options, DiskImage &image)
{
	constexpr std::uint64_t piece = 2048;
	std::vector<std::byte> bytes(piece * sector_bytes);
	std::optional<BlockFile> file;
	std::uint64_t nr = options.number("base-pattern", 0);
	if (options.has("base")) {
		file.emplace(options.need("base"), Access::read);
		nr = file->sectors();
	}
	nr = std::min(nr, image.sectors());
	for (std::uint64_t at = 0; at < nr; at += piece) {
		const auto now = std::span(bytes).first(std::min(piece, nr - at) * sector_bytes);
		if (file)
			file->read(at * sector_bytes, now);
		else
			sectors_fill(now, at, cell_original);
		image.write(at, now);
	}
}

int sweep(const Options &options)
{
	const WriteLog log(options.positional().at(1));
	const DiskLayout layout = layout_of(options);
	DiskImage image(disk_sectors(log, layout));
	load_base(options, image);
	SweepOptions how;
	how.drops = options.number("drops", how.drops);
	how.tear = !options.has("no-tear");
	how.seed = options.number("seed", how.seed);
	how.stride = std::max<std::uint64_t>(options.number("stride", 1), 1);
	how.points_only = options.has("points-only");
	how.max_faults = options.number("max-faults", how.max_faults);
	const SweepResult result = sweep_log(log, layout, image, how, [](const std::string &text) {
		std::printf("FAULT %s\n", text.c_str());
	});
	std::printf("sweep: entries=%zu points=%" PRIu64 " states=%" PRIu64 " batches=%" PRIu64 " faults=%" PRIu64 "\n",
		    log.entries().size(), result.points, result.states, result.batches, result.faults);
	return result.faults ? exit_failed : exit_done;
}

void read_image(const std::string &path, DiskImage &image)
{
	constexpr std::uint64_t piece = 2048;
	// Past the cache: what the device itself holds is asked for.
	const BlockFile file(path, Access::read, std::filesystem::is_block_file(path));
	const AlignedBuffer buffer(piece * sector_bytes);
	for (std::uint64_t at = 0; at < image.sectors(); at += piece) {
		const auto now = buffer.first(std::min(piece, image.sectors() - at) * sector_bytes);
		file.read(at * sector_bytes, now);
		image.write(at, now);
	}
}

// What a device shows of a snapshot against what the plan says of it.
std::size_t check_seen(const std::string &path, const Expectations &expected, unsigned snap)
{
	const unsigned target = snap + 1;
	if (snap >= expected.plan().snaps.size())
		throw UsageError("the plan has fewer snapshots than --seen");
	DiskImage image(expected.plan().snaps[snap]);
	read_image(path, image);
	std::size_t nr = 0;
	for (std::uint64_t sector = 0; sector < image.sectors(); sector++) {
		if (image.holds(sector, sector, expected.cells(target)[sector]) ||
		    expected.may_be(target, sector, image, sector))
			continue;
		if (nr++ < 8)
			std::printf("FAULT %s, seen as snap%u, sector %" PRIu64 ": expected %s, found %s\n", path.c_str(),
				    snap, sector, expected.text(target, sector).c_str(),
				    sector_text(image.data(sector), sector).c_str());
	}
	return nr;
}

int verify(const Options &options)
{
	const WriteLog log(options.need("log"));
	const DiskLayout layout = layout_of(options);
	const std::uint64_t nr = parse_number(options.need("entries"));
	if (nr > log.entries().size())
		throw UsageError("the log has " + std::to_string(log.entries().size()) + " entries");
	Expectations expected;
	for (std::size_t i = 0; i < nr; i++)
		if (log.entries()[i].is(log_mark))
			expected.mark(log.entries()[i].mark);
	if (!expected.started())
		throw Error("verify: no mark with a plan in the first " + std::to_string(nr) + " entries");

	DiskImage image(disk_sectors(log, layout));
	read_image(options.positional().at(1), image);
	const auto faults = CrashChecker(layout).check(image, expected);
	for (const CrashFault &fault : faults)
		std::printf("FAULT %s\n", fault.text.c_str());
	std::size_t nr_faults = faults.size();
	unsigned snap = 0;
	for (const std::string &path : options.all("seen")) {
		if (path != "none")
			nr_faults += check_seen(path, expected, snap);
		snap++;
	}
	std::printf("verify: entries=%" PRIu64 " acked_below=%" PRIu64 " faults=%zu\n", nr, expected.acked(), nr_faults);
	return nr_faults ? exit_failed : exit_done;
}

void send_mark(const std::string &device, const std::string &text)
{
	if (device == "none") {
		std::printf("mark %s\n", text.c_str());
		return;
	}
	const std::unique_ptr<dm_task, void (*)(dm_task *)> task(dm_task_create(DM_DEVICE_TARGET_MSG), dm_task_destroy);
	const std::string message = "mark " + text;
	if (!task || !dm_task_set_name(task.get(), device.c_str()) || !dm_task_set_sector(task.get(), 0) ||
	    !dm_task_set_message(task.get(), message.c_str()) || !dm_task_run(task.get()))
		throw Error("mark: " + device + ": " + message + ": refused");
}

// Puts one batch on the devices, all writes at once, and flushes what it wrote to.
class Driver {
public:
	Driver(CrashPlan plan, std::vector<std::optional<BlockFile>> devices)
		: plan_(std::move(plan)), devices_(std::move(devices))
	{
	}

	void flush(const std::vector<PlannedWrite> &writes)
	{
		for (unsigned device = 0; device < devices_.size(); device++)
			if (std::ranges::any_of(writes, [&](const PlannedWrite &write) {
				    return device_of(write.target) == device;
			    }))
				devices_[device]->flush();
	}

	void flush_all()
	{
		for (const auto &device : devices_)
			if (device)
				device->flush();
	}

	void batch(std::uint64_t index)
	{
		const auto writes = plan_batch(plan_, index);
		std::mutex mutex;
		std::exception_ptr failure;
		{
			std::vector<std::jthread> threads;
			for (const PlannedWrite &write : writes)
				threads.emplace_back([&] {
					try {
						issue(write);
					} catch (...) {
						const std::lock_guard guard(mutex);
						failure = std::current_exception();
					}
				});
		}
		if (failure)
			std::rethrow_exception(failure);
		flush(writes);
	}

private:
	// The merging snapshot is written through the origin's place.
	[[nodiscard]] unsigned device_of(unsigned target) const
	{
		return plan_.merging && target == *plan_.merging + 1 ? 0 : target;
	}

	void issue(const PlannedWrite &write)
	{
		const AlignedBuffer buffer(write.range.nr * sector_bytes);
		const auto bytes = buffer.first(buffer.size());
		sectors_fill(bytes, write.range.start, write.stamp);
		const BlockFile &device = *devices_[device_of(write.target)];
		if (const int error = device.try_write(write.range.start * sector_bytes, bytes, write.durable))
			throw Error(error, "write " + std::to_string(write.number) + ": " + device.path() +
						   " at sector " + std::to_string(write.range.start));
	}

	CrashPlan plan_;
	std::vector<std::optional<BlockFile>> devices_;
};

int drive(const Options &options)
{
	const bool direct = !options.has("buffered");
	CrashPlan plan;
	plan.seed = options.number("seed", plan.seed);
	plan.batch = options.number("batch", plan.batch);
	plan.first = options.number("first", plan.first);
	plan.max_sectors = options.bytes("max-io", plan.max_sectors * sector_bytes) / sector_bytes;
	plan.snap_percent = static_cast<unsigned>(options.number("snap-percent", plan.snap_percent));
	if (options.has("merging"))
		plan.merging = static_cast<unsigned>(options.number("merging", 0));
	if (options.has("adopted"))
		plan.adopted = static_cast<unsigned>(options.number("adopted", 0));

	std::vector<std::optional<BlockFile>> devices;
	devices.emplace_back(BlockFile(options.need("origin"), Access::write, direct));
	plan.origin_sectors = devices[0]->sectors();
	std::uint64_t align = std::max(options.bytes("align", 512), devices[0]->logical_block());
	for (std::string text : options.all("snap")) {
		devices.emplace_back();
		const bool writable = text.ends_with(":rw");
		if (writable)
			text.resize(text.size() - 3);
		if (plan.merging == plan.snaps.size()) {
			plan.snaps.push_back(parse_bytes(text) / sector_bytes);
		} else if (text == "none") {
			plan.snaps.push_back(0);
		} else {
			devices.back().emplace(BlockFile(text, writable ? Access::write : Access::read, direct));
			plan.snaps.push_back(devices.back()->sectors());
			align = std::max<std::uint64_t>(align, devices.back()->logical_block());
		}
		plan.writable.push_back(writable);
	}
	plan.align_sectors = align / sector_bytes;
	const std::string mark = options.need("mark");
	const std::uint64_t batches = parse_number(options.need("batches"));
	const std::string text = format_plan(plan);
	if (text.size() > 479 || parse_plan(text) != plan)
		throw UsageError("the plan does not fit a mark: " + text);

	Driver driver(plan, std::move(devices));
	driver.flush_all();
	send_mark(mark, text);
	for (std::uint64_t i = 0; i < batches; i++) {
		driver.batch(i);
		send_mark(mark, "ack=" + std::to_string(plan.first + (i + 1) * plan.batch));
	}
	std::printf("next=%" PRIu64 "\n", plan.first + batches * plan.batch);
	return exit_done;
}

int body(const std::vector<std::string> &args)
{
	const Options options(args,
			      {"origin", "snap", "mark", "batches", "batch", "seed", "first", "max-io", "align",
			       "snap-percent", "merging", "adopted", "cow", "origin-start", "base", "base-pattern", "drops",
			       "stride", "max-faults", "log", "entries", "seen"},
			      {"no-tear", "points-only", "buffered"});
	static const std::map<std::string, std::pair<int (*)(const Options &), std::size_t>> verbs = {
		{"drive", {drive, 1}}, {"sweep", {sweep, 2}}, {"verify", {verify, 2}}};
	if (options.positional().empty() || !verbs.contains(options.positional()[0]))
		throw UsageError("which verb?");
	const auto [verb, nr_positional] = verbs.at(options.positional()[0]);
	if (options.positional().size() != nr_positional)
		throw UsageError("too many or too few names");
	const int code = verb(options);
	std::fflush(stdout);
	return code;
}

} // namespace

int main(int argc, char **argv)
{
	return run_tool("crashcheck", usage_text, argc, argv, body);
}
