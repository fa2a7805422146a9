// SPDX-License-Identifier: GPL-2.0-or-later
#include "sector.h"

#include <cstring>

namespace tools {

namespace {

constexpr unsigned words = sector_bytes / sizeof(std::uint64_t);
constexpr std::uint64_t sector_magic = 0x5254435350414e53; // "SNAPSCTR"
constexpr std::uint64_t step = 0x9e3779b97f4a7c15;

struct Header {
	std::uint64_t magic;
	std::uint64_t sector;
	std::uint64_t stamp;
	std::uint64_t key;
};

std::uint64_t key_of(std::uint64_t sector, Cell stamp)
{
	return mix64(sector ^ mix64(stamp));
}

std::uint64_t load(const std::byte *data, unsigned word)
{
	std::uint64_t value;
	std::memcpy(&value, data + word * sizeof(value), sizeof(value));
	return value;
}

void fill_one(std::byte *into, std::uint64_t sector, Cell stamp)
{
	std::uint64_t value = key_of(sector, stamp);
	const Header header{sector_magic, sector, stamp, value};
	std::memcpy(into, &header, sizeof(header));
	for (unsigned i = 4; i < words; i++) {
		value += step;
		std::memcpy(into + i * sizeof(value), &value, sizeof(value));
	}
}

bool is_pattern(const std::byte *data, std::uint64_t sector, Cell stamp)
{
	std::uint64_t value = key_of(sector, stamp);
	std::uint64_t wrong = (load(data, 0) ^ sector_magic) | (load(data, 1) ^ sector) |
			      (load(data, 2) ^ stamp) | (load(data, 3) ^ value);
	for (unsigned i = 4; i < words; i++) {
		value += step;
		wrong |= load(data, i) ^ value;
	}
	return wrong == 0;
}

bool is_zero(const std::byte *data)
{
	std::uint64_t any = 0;
	for (unsigned i = 0; i < words; i++)
		any |= load(data, i);
	return any == 0;
}

// Never cell_zero, never cell_any, bit 63 set.
Cell hash_of(const std::byte *data)
{
	std::uint64_t hash = 0x243f6a8885a308d3;
	for (unsigned i = 0; i < words; i++) {
		hash = (hash ^ load(data, i)) * 0xd6e8feb86659fd93;
		hash ^= hash >> 32;
	}
	hash |= cell_opaque;
	return hash == cell_zero || hash == cell_any ? cell_opaque | 1 : hash;
}

} // namespace

Cell make_stamp(std::uint64_t run, unsigned device, std::uint64_t sequence)
{
	return ((run & 0x7ffff) << 44) | (std::uint64_t{device & 0xf} << stamp_sequence_bits) |
	       (sequence & stamp_sequence_mask);
}

std::uint64_t stamp_run(Cell stamp)
{
	return stamp >> 44;
}

void sectors_fill(std::span<std::byte> into, std::uint64_t sector, Cell stamp)
{
	for (std::size_t at = 0; at < into.size(); at += sector_bytes)
		fill_one(into.data() + at, sector++, stamp);
}

std::optional<SectorName> sector_name(const std::byte *data)
{
	if (load(data, 0) != sector_magic)
		return std::nullopt;
	const SectorName name{load(data, 1), load(data, 2)};
	if (name.stamp & cell_opaque || !is_pattern(data, name.sector, name.stamp))
		return std::nullopt;
	return name;
}

Cell sector_classify(const std::byte *data, std::uint64_t sector)
{
	if (load(data, 0) == sector_magic) {
		const auto name = sector_name(data);
		if (name && name->sector == sector)
			return name->stamp;
	} else if (is_zero(data)) {
		return cell_zero;
	}
	return hash_of(data);
}

bool sector_matches(const std::byte *data, std::uint64_t sector, Cell cell)
{
	if (!(cell & cell_opaque))
		return is_pattern(data, sector, cell);
	if (cell == cell_zero)
		return is_zero(data);
	return cell == cell_any || sector_classify(data, sector) == cell;
}

std::string cell_text(Cell cell)
{
	if (cell == cell_original)
		return "the original pattern";
	if (!(cell & cell_opaque))
		return "run " + std::to_string(stamp_run(cell)) + " device " +
		       std::to_string((cell >> stamp_sequence_bits) & 0xf) + " sequence " +
		       std::to_string(cell & stamp_sequence_mask);
	if (cell == cell_zero)
		return "zeroes";
	if (cell == cell_any)
		return "anything";
	char text[32];
	std::snprintf(text, sizeof(text), "data with hash %016llx", static_cast<unsigned long long>(cell));
	return text;
}

std::string sector_text(const std::byte *data, std::uint64_t sector)
{
	if (load(data, 0) == sector_magic) {
		const auto name = sector_name(data);
		if (!name)
			return "torn or damaged data that claims to be sector " + std::to_string(load(data, 1)) +
			       " of " + cell_text(load(data, 2));
		if (name->sector != sector)
			return "sector " + std::to_string(name->sector) + " of " + cell_text(name->stamp);
	}
	return cell_text(sector_classify(data, sector));
}

std::optional<unsigned> sector_first_difference(const std::byte *data, std::uint64_t sector, Cell cell)
{
	std::byte want[sector_bytes] = {};
	if (!(cell & cell_opaque))
		fill_one(want, sector, cell);
	else if (cell != cell_zero)
		return std::nullopt;
	for (unsigned i = 0; i < sector_bytes; i++)
		if (want[i] != data[i])
			return i;
	return std::nullopt;
}

} // namespace tools
