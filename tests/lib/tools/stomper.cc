// SPDX-License-Identifier: GPL-2.0-or-later
//
// Proves that snapshots are exact under concurrent load: an origin and its
// snapshots are written and read at once, and every byte that any read returns
// is compared with a model of each device.
#include "device_model.h"
#include "stomper_journal.h"
#include "stomper_run.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

using namespace tools;

namespace {

constexpr const char *usage_text =
	"usage: stomper --origin DEV [--snap DEV[:WORDS]]... | --expect-merge DEV[:WORDS]\n"
	"               --seconds S | --ops N | --verify-only\n"
	"               [--seed N] [--threads N] [--max-io BYTES] [--align BYTES] [--chunk BYTES] [--size BYTES]\n"
	"               [--buffered] [--read-percent N] [--flush-every N] [--fua-every N]\n"
	"               [--zero-percent N] [--discard-percent N] [--equal-at-start]\n"
	"               [--dump-state FILE] [--load-state FILE] [--journal FILE]\n"
	"       stomper --check-journal FILE --origin DEV [--snap DEV[:WORDS]]... | --expect-merge DEV[:WORDS]\n"
	"WORDS, joined by commas:\n"
	"  ro rw          a snapshot is read only unless it is rw; the origin is rw unless it is ro\n"
	"  mayfail        an I/O error ends this device's part instead of failing the test\n"
	"  mayoverflow    a write error ends the writes to it, reads go on and must be exact\n"
	"  as=NAME        its name in state files and journals (default: origin, snap0, snap1 ..., merge)\n"
	"--direct (O_DIRECT) is the default. Models start from what the devices hold, or from --load-state.\n"
	"--equal-at-start: each snapshot must hold at the start what the origin holds.\n"
	"Exit: 0 everything was as expected, 1 a mismatch, 2 usage, 4 an I/O error.\n";

std::vector<std::unique_ptr<Device>> open_devices(const Options &options)
{
	const bool direct = !options.has("buffered");
	const bool only_reading = options.has("verify-only") || options.has("check-journal");
	const std::uint64_t limit = options.bytes("size", 0);
	std::vector<DeviceSpec> specs;
	if (options.has("expect-merge")) {
		if (options.has("origin") || options.has("snap"))
			throw UsageError("--expect-merge stands alone");
		specs.push_back(parse_device_spec(options.need("expect-merge"), true, "merge"));
	} else {
		specs.push_back(parse_device_spec(options.need("origin"), true, "origin"));
		for (const std::string &text : options.all("snap"))
			specs.push_back(parse_device_spec(text, false, "snap" + std::to_string(specs.size() - 1)));
	}
	if (specs.size() > 16)
		throw UsageError("at most 15 snapshots");
	std::vector<std::unique_ptr<Device>> devices;
	for (DeviceSpec &spec : specs) {
		spec.writable = spec.writable && !only_reading;
		devices.push_back(std::make_unique<Device>(spec, static_cast<unsigned>(devices.size()), direct, limit));
	}
	return devices;
}

std::vector<const Device *> pointers(const std::vector<std::unique_ptr<Device>> &devices)
{
	std::vector<const Device *> all;
	for (const auto &device : devices)
		all.push_back(device.get());
	return all;
}

void load_state(const std::string &path, std::vector<std::unique_ptr<Device>> &devices)
{
	const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
	if (fd.get() < 0)
		throw Error(errno, "open: " + path);
	std::uint64_t offset = 0;
	const std::vector<NamedCells> saved = read_cells(fd.get(), path, offset);
	for (const auto &device : devices) {
		const auto found = std::ranges::find(saved, device->spec.name, &NamedCells::name);
		if (found == saved.end())
			throw Error("load: " + path + ": knows no device " + device->spec.name);
		if (found->cells.size() > device->sectors)
			throw Error("load: " + device->spec.path + ": has " + std::to_string(device->sectors) +
				    " sectors, had " + std::to_string(found->cells.size()));
		// What grew since is not known.
		std::fill(device->cells.begin(), device->cells.end(), cell_any);
		std::copy(found->cells.begin(), found->cells.end(), device->cells.begin());
	}
}

void dump_state(const std::string &path, const std::vector<std::unique_ptr<Device>> &devices)
{
	const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	if (fd.get() < 0)
		throw Error(errno, "open: " + path);
	write_cells(fd.get(), path, pointers(devices));
	if (::fsync(fd.get()) < 0)
		throw Error(errno, "flush: " + path);
}

// A model taken from a snapshot proves nothing about its beginning; this does.
void check_equal_at_start(const std::vector<std::unique_ptr<Device>> &devices, Mismatches &mismatches)
{
	const Device &origin = *devices.front();
	for (const auto &device : devices) {
		for (std::uint64_t sector = 0; sector < std::min(device->sectors, origin.sectors); sector++) {
			if (device->cells[sector] == origin.cells[sector])
				continue;
			AlignedBuffer buffer(4096);
			const std::uint64_t block = sector * sector_bytes / 4096 * 4096;
			const std::uint64_t bytes = std::min<std::uint64_t>(4096, device->file.size() - block);
			device->file.read(block, buffer.first(bytes));
			mismatches.report(*device, "at the start", sector, cell_text(origin.cells[sector]),
					  buffer.data() + (sector * sector_bytes - block), std::nullopt, 0);
			break;
		}
	}
}

int finish(const std::vector<std::unique_ptr<Device>> &devices, const Mismatches &mismatches, std::uint64_t ops,
	   std::uint64_t seed)
{
	for (const auto &device : devices)
		std::printf("%s: writes=%" PRIu64 " reads=%" PRIu64 " verified_sectors=%" PRIu64 "%s%s\n",
			    device->spec.name.c_str(), device->writes.load(), device->reads.load(),
			    device->verified_sectors.load(), device->failed ? " gone" : "",
			    device->no_writes ? " no_writes" : "");
	std::printf("stomper: seed=%" PRIu64 " ops=%" PRIu64 " mismatches=%" PRIu64 "\n", seed, ops, mismatches.count());
	std::fflush(stdout);
	return mismatches.count() ? exit_failed : exit_done;
}

int check_journal(const Options &options)
{
	const JournalState state = read_journal(options.need("check-journal"));
	const auto devices = open_devices(options);
	Mismatches mismatches;
	for (const auto &device : devices) {
		const auto found = std::ranges::find(state.devices, device->spec.name, &JournalState::PerDevice::name);
		if (found == state.devices.end())
			throw Error("check: the journal knows no device " + device->spec.name);
		if (found->gone) {
			std::printf("gone: %s: not checked\n", device->spec.name.c_str());
			continue;
		}
		const AfterCrash &after = found->after;
		if (after.sectors() > device->sectors)
			throw Error("check: " + device->spec.path + ": smaller than it was");
		constexpr std::uint64_t piece = 2048;
		AlignedBuffer buffer(piece * sector_bytes);
		for (std::uint64_t at = 0; at < after.sectors(); at += piece) {
			const std::uint64_t nr = std::min(piece, after.sectors() - at);
			device->file.read(at * sector_bytes, buffer.first(nr * sector_bytes));
			for (std::uint64_t i = 0; i < nr; i++) {
				const std::byte *data = buffer.data() + i * sector_bytes;
				if (!after.accepts(data, at + i))
					mismatches.report(*device, "after the crash", at + i,
							  after.expected_text(at + i), data, std::nullopt, 0);
			}
			device->verified_sectors += nr;
		}
	}
	std::printf("journal: writes=%" PRIu64 " acked=%" PRIu64 " durable=%" PRIu64 " flushes=%" PRIu64 "\n",
		    state.nr_writes, state.nr_acked, state.nr_durable, state.nr_flushes);
	return finish(devices, mismatches, 0, 0);
}

StompOptions stomp_options(const Options &options)
{
	StompOptions stomp;
	if (options.has("seconds"))
		stomp.seconds = std::stod(options.need("seconds"));
	stomp.ops = options.number("ops", 0);
	stomp.seed = options.number("seed", 1);
	stomp.threads = static_cast<unsigned>(std::clamp<std::uint64_t>(options.number("threads", 4), 1, 64));
	stomp.max_io = options.bytes("max-io", stomp.max_io);
	stomp.align = options.bytes("align", 0);
	stomp.chunk = options.bytes("chunk", stomp.chunk);
	stomp.flush_every = options.number("flush-every", options.has("journal") ? 32 : 0);
	stomp.fua_every = options.number("fua-every", 0);
	stomp.zero_percent = static_cast<unsigned>(options.number("zero-percent", 0));
	stomp.discard_percent = static_cast<unsigned>(options.number("discard-percent", 0));
	stomp.read_percent = static_cast<unsigned>(options.number("read-percent", stomp.read_percent));
	if (!options.has("verify-only") && stomp.seconds <= 0 && !stomp.ops)
		throw UsageError("--seconds, --ops or --verify-only is missing");
	return stomp;
}

int body(const std::vector<std::string> &args)
{
	const Options options(args,
			      {"origin", "snap", "expect-merge", "seconds", "ops", "seed", "threads", "max-io", "align",
			       "chunk", "size", "read-percent", "flush-every", "fua-every", "zero-percent",
			       "discard-percent", "dump-state", "load-state", "journal", "check-journal"},
			      {"direct", "buffered", "verify-only", "equal-at-start"});
	if (!options.positional().empty())
		throw UsageError("unexpected " + options.positional()[0]);
	if (options.has("check-journal"))
		return check_journal(options);

	const StompOptions stomp = stomp_options(options);
	if (options.has("verify-only") && !options.has("load-state") && !options.has("equal-at-start"))
		throw UsageError("--verify-only needs --load-state: against what?");
	auto devices = open_devices(options);
	Mismatches mismatches;
	Stomper stomper(stomp, devices, mismatches);

	if (options.has("load-state")) {
		load_state(options.need("load-state"), devices);
		stomper.continue_sequence();
		stomper.verify_all("as loaded");
	} else {
		stomper.load_models();
	}
	if (options.has("equal-at-start") && mismatches.count() == 0)
		check_equal_at_start(devices, mismatches);

	if (!options.has("verify-only") && mismatches.count() == 0) {
		std::optional<Journal> journal;
		if (options.has("journal")) {
			for (const auto &device : devices)
				if (device->spec.writable)
					device->file.flush(); // the start of the journal is durable
			stomper.set_journal(&journal.emplace(options.need("journal"), pointers(devices)));
		}
		stomper.stomp();
		stomper.set_journal(nullptr);
		stomper.verify_all("at the end");
	}
	if (options.has("dump-state"))
		dump_state(options.need("dump-state"), devices);
	return finish(devices, mismatches, stomper.ops(), stomp.seed);
}

} // namespace

int main(int argc, char **argv)
{
	return run_tool("stomper", usage_text, argc, argv, body);
}
