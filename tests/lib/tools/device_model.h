// SPDX-License-Identifier: GPL-2.0-or-later
//
// A device under test and what it must hold, sector by sector.
#ifndef TOOLS_DEVICE_MODEL_H
#define TOOLS_DEVICE_MODEL_H

#include "base.h"
#include "interval_lock.h"
#include "sector.h"

#include <atomic>

namespace tools {

// DEV[:WORD[,WORD]...] with the words ro, rw, mayfail, mayoverflow, as=NAME.
struct DeviceSpec {
	std::string path;
	std::string name;	   // what it is called in a state file
	bool writable = false;
	bool may_fail = false;	   // an I/O error ends its part of the test instead of failing it
	bool may_overflow = false; // a write error ends the writes to it
};

[[nodiscard]] DeviceSpec parse_device_spec(const std::string &text, bool writable, const std::string &name);

// Cells as runs of equal cells, the form in which they are kept in files.
struct CellRun {
	std::uint64_t nr;
	Cell cell;
};
struct NamedCells {
	std::string name;
	std::vector<Cell> cells;
};

class Device {
public:
	// @limit_bytes: only so much of the device is looked at (0: all).
	Device(DeviceSpec device_spec, unsigned index, bool direct, std::uint64_t limit_bytes);

	const DeviceSpec spec;
	const unsigned index;
	const BlockFile file;
	const std::uint64_t sectors;
	IntervalLock lock;
	std::vector<Cell> cells;	// a sector's cell belongs to who holds its lock
	std::atomic<bool> failed = false;   // mayfail: left alone from now on
	std::atomic<bool> no_writes = false; // mayoverflow
	std::atomic<std::uint64_t> writes = 0, reads = 0, verified_sectors = 0;
};

// Files of cells: a magic, then for each device its name and its runs.
void write_cells(int fd, const std::string &path, const std::vector<const Device *> &devices);
// Reads what write_cells() wrote, from *@offset on, and moves it behind.
[[nodiscard]] std::vector<NamedCells> read_cells(int fd, const std::string &path, std::uint64_t &offset);

// Writes everything to @fd or throws.
void write_all(int fd, const std::string &path, std::span<const std::byte> bytes);

} // namespace tools

#endif
