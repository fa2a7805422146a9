// SPDX-License-Identifier: GPL-2.0-or-later
//
// Lays down and checks self-describing sectors (sector.h).
#include "base.h"
#include "sector.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <filesystem>

using namespace tools;

namespace {

constexpr const char *usage_text =
	"usage: pattern write DEV [--start SECTOR] [--sectors N] [--first SECTOR] [--stamp N]\n"
	"       pattern verify DEV [the same]\n"
	"       pattern show DEV --start SECTOR [--sectors N]\n"
	"--first is the number that the first sector claims, when it is not its place on DEV.\n"
	"verify: 0 everything is as written, 1 it is not, with a line for each of the first ten differences.\n";

constexpr std::uint64_t piece_sectors = 2048;

int body(const std::vector<std::string> &args)
{
	const Options options(args, {"start", "sectors", "first", "stamp"}, {});
	if (options.positional().size() != 2)
		throw UsageError("a verb and a DEV expected");
	const std::string &verb = options.positional()[0];
	const bool writing = verb == "write";
	const bool showing = verb == "show";
	if (!writing && !showing && verb != "verify")
		throw UsageError("which verb?");

	const std::string &path = options.positional()[1];
	// Past the cache: what the device itself holds is asked for.
	const BlockFile file(path, writing ? Access::write : Access::read, std::filesystem::is_block_file(path));
	const std::uint64_t start = options.number("start", 0);
	if (start > file.sectors())
		throw UsageError("--start is beyond the device");
	const std::uint64_t nr = options.number("sectors", showing ? 8 : file.sectors() - start);
	if (nr > file.sectors() - start)
		throw UsageError("--sectors goes beyond the device");
	const std::uint64_t first = options.number("first", start);
	const Cell stamp = options.number("stamp", cell_original);
	AlignedBuffer buffer(piece_sectors * sector_bytes);
	std::uint64_t wrong = 0;

	for (std::uint64_t at = 0; at < nr;) {
		const std::uint64_t now = std::min(piece_sectors, nr - at);
		const auto bytes = buffer.first(now * sector_bytes);
		if (writing) {
			sectors_fill(bytes, first + at, stamp);
			file.write((start + at) * sector_bytes, bytes);
		} else {
			file.read((start + at) * sector_bytes, bytes);
		}
		for (std::uint64_t i = 0; !writing && i < now; i++) {
			const std::byte *data = bytes.data() + i * sector_bytes;
			if (showing) {
				std::printf("sector %" PRIu64 ": %s\n", start + at + i,
					    sector_text(data, first + at + i).c_str());
			} else if (!sector_matches(data, first + at + i, stamp) && wrong++ < 10) {
				std::printf("MISMATCH %s sector %" PRIu64 ": expected %s, found %s\n",
					    file.path().c_str(), start + at + i, cell_text(stamp).c_str(),
					    sector_text(data, first + at + i).c_str());
			}
		}
		at += now;
	}
	if (writing)
		file.flush();
	if (wrong)
		std::printf("%" PRIu64 " of %" PRIu64 " sectors are wrong\n", wrong, nr);
	std::fflush(stdout);
	return wrong ? exit_failed : exit_done;
}

} // namespace

int main(int argc, char **argv)
{
	return run_tool("pattern", usage_text, argc, argv, body);
}
