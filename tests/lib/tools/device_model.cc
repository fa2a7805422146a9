// SPDX-License-Identifier: GPL-2.0-or-later
#include "device_model.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <unistd.h>

namespace tools {

namespace {

constexpr std::uint64_t cells_magic = 0x31534c4c45435453; // "STCELLS1"

void append(std::vector<std::byte> &to, const void *from, std::size_t bytes)
{
	const auto *start = static_cast<const std::byte *>(from);
	to.insert(to.end(), start, start + bytes);
}

void append_number(std::vector<std::byte> &to, std::uint64_t value)
{
	append(to, &value, sizeof(value));
}

class Reader {
public:
	Reader(int fd, const std::string &path, std::uint64_t &offset) : fd_(fd), path_(path), offset_(offset) {}

	void read(void *into, std::size_t bytes)
	{
		auto *at = static_cast<char *>(into);
		while (bytes) {
			const ssize_t got = ::pread(fd_, at, bytes, static_cast<off_t>(offset_));
			if (got < 0)
				throw Error(errno, "read: " + path_);
			if (got == 0)
				throw Error("read: " + path_ + ": ends too early");
			at += got;
			bytes -= static_cast<std::size_t>(got);
			offset_ += static_cast<std::uint64_t>(got);
		}
	}

	std::uint64_t number()
	{
		std::uint64_t value;
		read(&value, sizeof(value));
		return value;
	}

private:
	int fd_;
	const std::string &path_;
	std::uint64_t &offset_;
};

} // namespace

DeviceSpec parse_device_spec(const std::string &text, bool writable, const std::string &name)
{
	DeviceSpec spec{.path = text, .name = name, .writable = writable, .may_fail = false, .may_overflow = false};
	const std::size_t colon = text.rfind(':');
	if (colon == std::string::npos)
		return spec;
	spec.path = text.substr(0, colon);
	for (const std::string &word : split(text.substr(colon + 1), ',')) {
		if (word == "ro")
			spec.writable = false;
		else if (word == "rw")
			spec.writable = true;
		else if (word == "mayfail")
			spec.may_fail = true;
		else if (word == "mayoverflow")
			spec.may_overflow = true;
		else if (word.starts_with("as="))
			spec.name = word.substr(3);
		else
			throw UsageError("unknown word " + word + " in " + text);
	}
	return spec;
}

Device::Device(DeviceSpec device_spec, unsigned device_index, bool direct, std::uint64_t limit_bytes)
	: spec(std::move(device_spec)), index(device_index),
	  file(spec.path, spec.writable ? Access::write : Access::read, direct),
	  sectors(limit_bytes ? std::min(limit_bytes / sector_bytes, file.sectors()) : file.sectors()),
	  cells(sectors)
{
}

void write_all(int fd, const std::string &path, std::span<const std::byte> bytes)
{
	while (!bytes.empty()) {
		const ssize_t got = ::write(fd, bytes.data(), bytes.size());
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			throw Error(errno, "write: " + path);
		bytes = bytes.subspan(static_cast<std::size_t>(got));
	}
}

void write_cells(int fd, const std::string &path, const std::vector<const Device *> &devices)
{
	std::vector<std::byte> out;
	append_number(out, cells_magic);
	append_number(out, devices.size());
	for (const Device *device : devices) {
		std::vector<CellRun> runs;
		for (const Cell cell : device->cells) {
			if (!runs.empty() && runs.back().cell == cell)
				runs.back().nr++;
			else
				runs.push_back({1, cell});
		}
		append_number(out, device->spec.name.size());
		append(out, device->spec.name.data(), device->spec.name.size());
		append_number(out, device->cells.size());
		append_number(out, runs.size());
		append(out, runs.data(), runs.size() * sizeof(CellRun));
	}
	write_all(fd, path, out);
}

std::vector<NamedCells> read_cells(int fd, const std::string &path, std::uint64_t &offset)
{
	Reader reader(fd, path, offset);
	if (reader.number() != cells_magic)
		throw Error("read: " + path + ": not a state file of stomper");
	std::vector<NamedCells> devices(reader.number());
	for (NamedCells &device : devices) {
		device.name.resize(reader.number());
		reader.read(device.name.data(), device.name.size());
		const std::uint64_t nr_cells = reader.number();
		std::vector<CellRun> runs(reader.number());
		reader.read(runs.data(), runs.size() * sizeof(CellRun));
		device.cells.reserve(nr_cells);
		for (const CellRun &run : runs)
			device.cells.insert(device.cells.end(), run.nr, run.cell);
		if (device.cells.size() != nr_cells)
			throw Error("read: " + path + ": the runs of " + device.name + " do not add up");
	}
	return devices;
}

} // namespace tools
