// SPDX-License-Identifier: GPL-2.0-or-later
//
// Makes and inspects v1 stores, good ones and ones with any fault that the
// format allows, on a file or a block device.
#include "base.h"
#include "sector.h"
#include "store_scan.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <iostream>

using namespace tools;

namespace {

constexpr const char *usage_text =
	"usage: cowstore format DEV --chunk SECTORS [--size BYTES]\n"
	"       cowstore craft DEV --chunk SECTORS [--size BYTES] [--header FIELD=VALUE]...\n"
	"                [--entry OLD:NEW]... [--sequential N[:FIRST_OLD]] [--entry-at AREA:INDEX=OLD:NEW]...\n"
	"                [--area-fill AREA=BYTE|AREA=random:SEED]... [--data]\n"
	"       cowstore fill DEV --chunk SECTORS --exceptions N --origin-sectors M [--size BYTES]\n"
	"                [--scattered SEED] [--data]\n"
	"       cowstore dump DEV [--json]\n"
	"       cowstore check DEV [--origin-sectors N] [--strict]\n"
	"       cowstore invalidate DEV\n"
	"FIELD is magic, valid, version or chunk_size. --size makes or resizes a file.\n"
	"check: 0 the store is good (or fresh), 3 it is damaged, with one line for each fault.\n";

std::uint32_t need_chunk(const Options &options)
{
	const std::uint64_t chunk = parse_number(options.need("chunk"));
	if (chunk > UINT32_MAX || snap_chunk_sectors_fault(static_cast<std::uint32_t>(chunk), sector_bytes, sector_bytes))
		throw UsageError("bad chunk size " + std::to_string(chunk));
	return static_cast<std::uint32_t>(chunk);
}

BlockFile open_to_write(const Options &options)
{
	if (options.positional().size() != 2)
		throw UsageError("one DEV expected");
	const std::string &path = options.positional()[1];
	if (!options.has("size"))
		return BlockFile(path, Access::write);
	BlockFile file(path, Access::create);
	if (!file.is_device())
		file.resize(options.bytes("size", 0));
	return file;
}

std::vector<std::byte> pack_header(std::uint32_t chunk_sectors)
{
	const snap_header header{.valid = true, .version = SNAP_DISK_VERSION, .chunk_sectors = chunk_sectors};
	snap_header_disk disk;
	snap_header_pack(&header, &disk);
	std::vector<std::byte> bytes(sizeof(disk));
	std::memcpy(bytes.data(), &disk, sizeof(disk));
	return bytes;
}

// A store that is being written; areas are collected and go out in large writes.
class StoreWriter {
public:
	StoreWriter(const BlockFile &file, std::uint32_t chunk_sectors) : file_(file)
	{
		snap_geometry_init(&geometry_, chunk_sectors, file.sectors());
	}

	[[nodiscard]] const snap_geometry &geometry() const { return geometry_; }
	[[nodiscard]] std::uint64_t chunk_bytes() const { return std::uint64_t{geometry_.chunk_sectors} * sector_bytes; }

	void write_header(const std::vector<std::byte> &fields)
	{
		std::vector<std::byte> first(std::min<std::uint64_t>(chunk_bytes(), 4096));
		std::copy(fields.begin(), fields.end(), first.begin());
		file_.write(0, first);
		file_.zero(first.size(), chunk_bytes() - first.size());
	}

	void zero_area(std::uint64_t area)
	{
		const chunk_t chunk = snap_area_chunk(&geometry_, area);
		if (chunk < geometry_.nr_chunks)
			file_.zero(chunk * chunk_bytes(), chunk_bytes());
	}

	void fill_area(std::uint64_t area, const std::function<std::byte()> &byte)
	{
		std::vector<std::byte> bytes(chunk_bytes());
		std::generate(bytes.begin(), bytes.end(), byte);
		file_.write(snap_area_chunk(&geometry_, area) * chunk_bytes(), bytes);
	}

	// Entries of one area from @index on; the area must be on the device.
	void write_entries(std::uint64_t area, std::uint64_t index, std::span<const StoreEntry> entries)
	{
		const chunk_t chunk = snap_area_chunk(&geometry_, area);
		if (chunk >= geometry_.nr_chunks)
			throw Error(ENOSPC, "area " + std::to_string(area) + ": " + file_.path());
		if (index + entries.size() > geometry_.entries_per_area)
			throw UsageError("entry beyond the end of area " + std::to_string(area));
		std::vector<std::byte> bytes(entries.size() * sizeof(snap_entry_disk));
		for (std::size_t i = 0; i < entries.size(); i++) {
			snap_entry_disk disk;
			snap_entry_pack(entries[i].old_chunk, entries[i].new_chunk, &disk);
			std::memcpy(bytes.data() + i * sizeof(disk), &disk, sizeof(disk));
		}
		file_.write(chunk * chunk_bytes() + index * sizeof(snap_entry_disk), bytes);
	}

	// All entries from area 0 on. The area of the terminator is zeroed where it exists.
	void write_list(std::span<const StoreEntry> entries)
	{
		const std::uint64_t per_area = geometry_.entries_per_area;
		std::uint64_t area = 0;
		for (; entries.size() >= per_area; area++) {
			write_entries(area, 0, entries.first(per_area));
			entries = entries.subspan(per_area);
		}
		zero_area(area);
		if (!entries.empty())
			write_entries(area, 0, entries);
	}

	// What the origin's chunk held, where the entry's chunk is on the device.
	void write_data(std::span<const StoreEntry> entries)
	{
		std::vector<std::byte> bytes(chunk_bytes());
		for (const StoreEntry &entry : entries) {
			if (entry.new_chunk >= geometry_.nr_chunks)
				continue;
			sectors_fill(bytes, entry.old_chunk * geometry_.chunk_sectors, cell_original);
			file_.write(entry.new_chunk * chunk_bytes(), bytes);
		}
	}

private:
	const BlockFile &file_;
	snap_geometry geometry_{};
};

// Data chunks in order, without an end.
class DataChunks {
public:
	explicit DataChunks(const snap_geometry &geometry) : geometry_(geometry) {}
	chunk_t next()
	{
		const chunk_t chunk = snap_data_chunk_from(&geometry_, next_);
		next_ = chunk + 1;
		return chunk;
	}

private:
	const snap_geometry &geometry_;
	chunk_t next_ = 2;
};

StoreEntry parse_entry(const std::string &text)
{
	const auto parts = split(text, ':');
	if (parts.size() != 2)
		throw UsageError("OLD:NEW expected, not " + text);
	return {parse_number(parts[0]), parse_number(parts[1])};
}

int format(const Options &options)
{
	const std::uint32_t chunk = need_chunk(options);
	const BlockFile file = open_to_write(options);
	StoreWriter writer(file, chunk);
	writer.write_header(pack_header(chunk));
	writer.zero_area(0);
	file.flush();
	return exit_done;
}

void set_header_field(std::vector<std::byte> &header, const std::string &assignment)
{
	const std::size_t at = assignment.find('=');
	if (at == std::string::npos)
		throw UsageError("FIELD=VALUE expected, not " + assignment);
	const std::string field = assignment.substr(0, at);
	const std::uint32_t value = htole32(static_cast<std::uint32_t>(parse_number(assignment.substr(at + 1))));
	const char *const fields[] = {"magic", "valid", "version", "chunk_size"};
	const auto *const found = std::ranges::find(fields, field);
	if (found == std::end(fields))
		throw UsageError("no header field " + field);
	std::memcpy(header.data() + static_cast<std::size_t>(found - fields) * sizeof(value), &value, sizeof(value));
}

void fill_area(StoreWriter &writer, const std::string &assignment)
{
	const std::size_t at = assignment.find('=');
	if (at == std::string::npos)
		throw UsageError("AREA=BYTE expected, not " + assignment);
	const std::uint64_t area = parse_number(assignment.substr(0, at));
	const std::string value = assignment.substr(at + 1);
	if (value.starts_with("random:")) {
		Random random(parse_number(value.substr(7)));
		writer.fill_area(area, [&] { return static_cast<std::byte>(random.below(256)); });
	} else {
		const auto byte = static_cast<std::byte>(parse_number(value));
		writer.fill_area(area, [byte] { return byte; });
	}
}

int craft(const Options &options)
{
	const std::uint32_t chunk = need_chunk(options);
	const BlockFile file = open_to_write(options);
	StoreWriter writer(file, chunk);

	std::vector<std::byte> header = pack_header(chunk);
	for (const std::string &assignment : options.all("header"))
		set_header_field(header, assignment);
	writer.write_header(header);

	std::vector<StoreEntry> entries;
	if (const auto sequential = options.get("sequential")) {
		const auto parts = split(*sequential, ':');
		const std::uint64_t first_old = parts.size() > 1 ? parse_number(parts[1]) : 0;
		DataChunks chunks(writer.geometry());
		for (std::uint64_t i = 0, nr = parse_number(parts[0]); i < nr; i++)
			entries.push_back({first_old + i, chunks.next()});
	}
	for (const std::string &entry : options.all("entry"))
		entries.push_back(parse_entry(entry));

	writer.write_list(entries);
	for (const std::string &assignment : options.all("area-fill"))
		fill_area(writer, assignment);
	if (options.has("area-fill")) // entries lie above what an area was filled with
		for (std::size_t at = 0; at < entries.size();) {
			const std::uint64_t per_area = writer.geometry().entries_per_area;
			const std::size_t nr = std::min<std::size_t>(per_area, entries.size() - at);
			writer.write_entries(at / per_area, 0, std::span(entries).subspan(at, nr));
			at += nr;
		}
	for (const std::string &text : options.all("entry-at")) {
		const std::size_t equals = text.find('=');
		const auto place = split(text.substr(0, equals), ':');
		if (equals == std::string::npos || place.size() != 2)
			throw UsageError("AREA:INDEX=OLD:NEW expected, not " + text);
		const StoreEntry entry = parse_entry(text.substr(equals + 1));
		writer.write_entries(parse_number(place[0]), parse_number(place[1]), std::span(&entry, 1));
	}
	if (options.has("data"))
		writer.write_data(entries);
	file.flush();
	return exit_done;
}

// A permutation of 0 .. n - 1: a Feistel network over the next power of four,
// walked until it lands inside. Needs no memory, whatever n is.
class Permutation {
public:
	Permutation(std::uint64_t n, std::uint64_t seed) : n_(n), seed_(seed)
	{
		while (n_ > (std::uint64_t{1} << (2 * half_)))
			half_++;
	}

	std::uint64_t operator()(std::uint64_t value) const
	{
		do
			value = once(value);
		while (value >= n_);
		return value;
	}

private:
	[[nodiscard]] std::uint64_t once(std::uint64_t value) const
	{
		const std::uint64_t mask = (std::uint64_t{1} << half_) - 1;
		std::uint64_t left = value >> half_, right = value & mask;
		for (unsigned round = 0; round < 4; round++) {
			const std::uint64_t next = left ^ (mix64(right + (seed_ << 8) + round) & mask);
			left = right;
			right = next;
		}
		return (left << half_) | right;
	}

	std::uint64_t n_, seed_;
	unsigned half_ = 1;
};

int fill(const Options &options)
{
	const std::uint32_t chunk = need_chunk(options);
	const BlockFile file = open_to_write(options);
	const std::uint64_t nr = parse_number(options.need("exceptions"));
	const std::uint64_t origin_chunks = parse_number(options.need("origin-sectors")) / chunk;
	StoreWriter writer(file, chunk);

	if (nr > origin_chunks)
		throw UsageError("the origin has only " + std::to_string(origin_chunks) + " chunks");
	if (snap_store_chunks_needed(chunk, nr) > writer.geometry().nr_chunks)
		throw Error(ENOSPC, file.path() + ": needs " + std::to_string(snap_store_chunks_needed(chunk, nr)) +
					    " chunks, has " + std::to_string(writer.geometry().nr_chunks));

	writer.write_header({}); // half a store is no store
	const bool scattered = options.has("scattered");
	const Permutation permutation(origin_chunks, options.number("scattered", 0));
	DataChunks chunks(writer.geometry());
	const std::uint64_t per_area = writer.geometry().entries_per_area;
	std::vector<StoreEntry> entries;
	std::uint64_t area = 0;
	for (std::uint64_t i = 0; i < nr; area++) {
		entries.clear();
		for (; i < nr && entries.size() < per_area; i++)
			entries.push_back({scattered ? permutation(i) : i, chunks.next()});
		if (entries.size() < per_area)
			writer.zero_area(area);
		writer.write_entries(area, 0, entries);
		if (options.has("data"))
			writer.write_data(entries);
	}
	if (nr % per_area == 0)
		writer.zero_area(area);
	writer.write_header(pack_header(chunk));
	file.flush();
	return exit_done;
}

const char *kind_text(const StoreScan &scan)
{
	switch (scan.kind) {
	case SNAP_HEADER_FRESH: return "fresh";
	case SNAP_HEADER_STORE: return scan.header.valid ? "valid" : "invalid";
	case SNAP_HEADER_FOREIGN: return "foreign";
	case SNAP_HEADER_BAD_VERSION: return "bad_version";
	}
	return "?";
}

void dump_json(const StoreScan &scan)
{
	std::printf("{\"version\":{\"cowstore\":1},\"state\":\"%s\",\"magic\":%" PRIu32 ",\"format_version\":%" PRIu32
		    ",\"chunk_sectors\":%" PRIu32 ",\"nr_chunks\":%" PRIu64 ",\"nr_areas\":%" PRIu64
		    ",\"next_free\":%" PRIu64 ",\"stale_entries\":%" PRIu64 ",\"entries\":[",
		    kind_text(scan), scan.magic, scan.header.version, scan.header.chunk_sectors,
		    scan.geometry.nr_chunks, scan.nr_areas, scan.next_free, scan.nr_stale);
	for (std::size_t i = 0; i < scan.entries.size(); i++)
		std::printf("%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : "", scan.entries[i].old_chunk,
			    scan.entries[i].new_chunk);
	std::printf("],\"damage\":[");
	for (std::size_t i = 0; i < scan.damage.size(); i++) // no text of ours needs escaping
		std::printf("%s\"%s\"", i ? "," : "", scan.damage[i].c_str());
	std::printf("]}\n");
}

void dump_text(const StoreScan &scan)
{
	std::printf("header: %s magic=0x%" PRIx32 " version=%" PRIu32 " chunk_sectors=%" PRIu32 " nr_chunks=%" PRIu64 "\n",
		    kind_text(scan), scan.magic, scan.header.version, scan.header.chunk_sectors,
		    scan.geometry.nr_chunks);
	for (std::uint64_t area = 0; area < scan.nr_areas; area++) {
		const std::uint64_t per_area = scan.geometry.entries_per_area;
		const std::uint64_t first = area * per_area;
		const std::uint64_t last = std::min<std::uint64_t>(first + per_area, scan.entries.size());
		std::printf("area %" PRIu64 ": chunk %" PRIu64 " entries %" PRIu64 "\n", area,
			    snap_area_chunk(&scan.geometry, area), last - first);
		for (std::uint64_t i = first; i < last; i++)
			std::printf("  %" PRIu64 ": %" PRIu64 " -> %" PRIu64 "\n", i - first, scan.entries[i].old_chunk,
				    scan.entries[i].new_chunk);
	}
	if (scan.nr_areas)
		std::printf("next_free %" PRIu64 " stale_entries %" PRIu64 "\n", scan.next_free, scan.nr_stale);
	for (const std::string &line : scan.damage)
		std::printf("damage: %s\n", line.c_str());
}

StoreScan scan_file(const Options &options, const StoreScanOptions &how)
{
	if (options.positional().size() != 2)
		throw UsageError("one DEV expected");
	const BlockFile file(options.positional()[1], Access::read);
	return scan_store([&file](std::uint64_t offset, std::span<std::byte> into) { file.read(offset, into); },
			  file.sectors(), how);
}

int dump(const Options &options)
{
	const StoreScan scan = scan_file(options, {});
	if (options.has("json"))
		dump_json(scan);
	else
		dump_text(scan);
	return exit_done;
}

int check(const Options &options)
{
	StoreScanOptions how;
	how.strict = options.has("strict");
	how.enter_invalid = false;
	if (options.has("origin-sectors"))
		how.origin_sectors = options.number("origin-sectors", 0);
	const StoreScan scan = scan_file(options, how);
	for (const std::string &line : scan.damage)
		std::printf("damage: %s\n", line.c_str());
	if (!scan.damage.empty())
		return exit_damage;
	std::printf("%s chunk_sectors=%" PRIu32 " entries=%zu areas=%" PRIu64 " next_free=%" PRIu64 " stale_entries=%" PRIu64 "\n",
		    kind_text(scan), scan.header.chunk_sectors, scan.entries.size(), scan.nr_areas, scan.next_free,
		    scan.nr_stale);
	return exit_done;
}

int invalidate(const Options &options)
{
	const BlockFile file = open_to_write(options);
	std::byte sector[sector_bytes];
	file.read(0, sector);
	snap_header_disk disk;
	std::memcpy(&disk, sector, sizeof(disk));
	snap_header header{};
	if (snap_header_unpack(&disk, &header) != SNAP_HEADER_STORE)
		throw Error(ENXIO, "invalidate: " + file.path());
	header.valid = false;
	snap_header_pack(&header, &disk);
	std::memcpy(sector, &disk, sizeof(disk));
	file.write(0, sector);
	file.flush();
	return exit_done;
}

int body(const std::vector<std::string> &args)
{
	const Options options(args,
			      {"chunk", "size", "header", "entry", "entry-at", "sequential", "area-fill", "exceptions",
			       "scattered", "origin-sectors"},
			      {"data", "json", "strict"});
	static const std::map<std::string, int (*)(const Options &)> verbs = {
		{"format", format}, {"craft", craft}, {"fill", fill},
		{"dump", dump},	    {"check", check}, {"invalidate", invalidate}};
	if (options.positional().empty() || !verbs.contains(options.positional()[0]))
		throw UsageError("which verb?");
	const int code = verbs.at(options.positional()[0])(options);
	std::fflush(stdout);
	return code;
}

} // namespace

int main(int argc, char **argv)
{
	return run_tool("cowstore", usage_text, argc, argv, body);
}
