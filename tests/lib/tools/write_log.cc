// SPDX-License-Identifier: GPL-2.0-or-later
#include "write_log.h"

#include <algorithm>
#include <cstring>

#include <endian.h>

namespace tools {

namespace {

constexpr std::uint64_t log_magic = 0x6a736677736872;
constexpr std::uint64_t log_version = 1;
constexpr std::size_t entry_bytes = 4 * sizeof(std::uint64_t);

std::uint64_t le64_at(const std::byte *data, unsigned index)
{
	std::uint64_t value;
	std::memcpy(&value, data + index * sizeof(value), sizeof(value));
	return le64toh(value);
}

std::uint32_t le32_at(const std::byte *data, std::size_t offset)
{
	std::uint32_t value;
	std::memcpy(&value, data + offset, sizeof(value));
	return le32toh(value);
}

} // namespace

std::string log_flags_text(std::uint64_t flags)
{
	static constexpr std::pair<std::uint64_t, const char *> names[] = {{log_flush, "flush"},
									   {log_fua, "fua"},
									   {log_discard, "discard"},
									   {log_mark, "mark"},
									   {log_metadata, "meta"}};
	std::string text;
	for (const auto &[flag, name] : names)
		if (flags & flag)
			text += (text.empty() ? "" : ",") + std::string(name);
	return text.empty() ? "-" : text;
}

WriteLog::WriteLog(const std::string &path) : file_(path, Access::read)
{
	std::byte super[sector_bytes];
	file_.read(0, super);
	if (le64_at(super, 0) != log_magic)
		throw Error("log: " + path + ": magic is not that of a dm-log-writes log");
	if (le64_at(super, 1) != log_version)
		throw Error("log: " + path + ": version " + std::to_string(le64_at(super, 1)) + " is not 1");
	const std::uint64_t nr_entries = le64_at(super, 2);
	const std::uint64_t block = le32_at(super, 24);
	if (block < sector_bytes || block & (block - 1) || block > (1 << 20))
		throw Error("log: " + path + ": sector size " + std::to_string(block));
	block_sectors_ = block / sector_bytes;

	std::vector<std::byte> bytes(block);
	std::uint64_t offset = block;
	for (std::uint64_t i = 0; i < nr_entries; i++) {
		const std::string where = "log: " + path + ": entry " + std::to_string(i);
		if (offset + block > file_.size())
			throw Error(where + " is beyond the end of the log");
		file_.read(offset, bytes);
		offset += block;
		const std::uint64_t nr_blocks = le64_at(bytes.data(), 1);
		const std::uint64_t data_len = le64_at(bytes.data(), 3);
		LogEntry entry{le64_at(bytes.data(), 0) * block_sectors_, nr_blocks * block_sectors_,
			       le64_at(bytes.data(), 2), offset, {}};
		if (entry.is(log_mark)) {
			if (data_len > block - entry_bytes)
				throw Error(where + ": a mark of " + std::to_string(data_len) + " bytes");
			entry.mark.assign(reinterpret_cast<const char *>(bytes.data()) + entry_bytes, data_len);
		}
		if (!entry.is(log_discard)) {
			if (nr_blocks > (file_.size() - offset) / block)
				throw Error(where + ": its data goes beyond the end of the log");
			offset += nr_blocks * block;
		}
		entries_.push_back(std::move(entry));
	}
}

void WriteLog::read(const LogEntry &entry, std::uint64_t first_sector, std::span<std::byte> into) const
{
	file_.read(entry.data_offset + first_sector * sector_bytes, into);
}

std::size_t last_flush(const WriteLog &log, std::size_t stop)
{
	for (std::size_t i = stop; i > 0; i--)
		if (log.entries()[i - 1].is(log_flush))
			return i - 1;
	return 0;
}

std::vector<LogPiece> crash_state(const WriteLog &log, std::size_t stop, std::uint64_t seed, bool tear)
{
	static constexpr unsigned shares[] = {50, 20, 80, 5, 95};
	std::vector<LogPiece> pieces;
	Random random(mix64(seed) ^ stop);
	const unsigned share = shares[seed % std::size(shares)];
	const std::uint64_t block = log.block_sectors();

	const auto torn = [&](std::size_t index, std::uint64_t nr_sectors) {
		// In half of the cases a prefix, otherwise any blocks.
		const std::uint64_t nr_blocks = nr_sectors / block;
		if (random.percent(50)) {
			if (const std::uint64_t nr = random.below(nr_blocks) * block)
				pieces.push_back({index, 0, nr});
			return;
		}
		for (std::uint64_t i = 0; i < nr_blocks; i++)
			if (random.percent(50))
				pieces.push_back({index, i * block, block});
	};

	std::size_t last_data = stop;
	for (std::size_t i = stop; i > 0 && last_data == stop; i--) {
		// What stands before a mark or a bare flush was complete by then.
		if (log.entries()[i - 1].is(log_mark) || !log.entries()[i - 1].nr_sectors)
			break;
		last_data = i - 1;
	}

	for (std::size_t i = last_flush(log, stop); i < stop; i++) {
		const LogEntry &entry = log.entries()[i];
		if (!entry.nr_sectors || entry.is(log_mark))
			continue;
		const LogPiece whole{i, 0, entry.nr_sectors};
		const bool can_tear = tear && !entry.is(log_discard);
		if (can_tear && i == last_data && random.percent(67))
			torn(i, entry.nr_sectors);
		else if (entry.is(log_fua))
			pieces.push_back(whole);
		else if (can_tear && random.percent(20))
			torn(i, entry.nr_sectors);
		else if (random.percent(share))
			pieces.push_back(whole);
	}
	return pieces;
}

void replay_piece(const WriteLog &log, const LogPiece &piece, ReplayTarget &target)
{
	constexpr std::uint64_t step = 2048;
	const LogEntry &entry = log.entries()[piece.entry];
	if (entry.is(log_mark) || !piece.nr_sectors)
		return;
	if (entry.is(log_discard)) {
		target.zero(entry.sector + piece.first_sector, piece.nr_sectors);
		return;
	}
	std::vector<std::byte> data(std::min(step, piece.nr_sectors) * sector_bytes);
	for (std::uint64_t at = 0; at < piece.nr_sectors; at += step) {
		const std::uint64_t now = std::min(step, piece.nr_sectors - at);
		const auto bytes = std::span(data).first(now * sector_bytes);
		log.read(entry, piece.first_sector + at, bytes);
		target.write(entry.sector + piece.first_sector + at, bytes);
	}
}

void replay_entries(const WriteLog &log, std::size_t start, std::size_t end, ReplayTarget &target)
{
	for (std::size_t i = start; i < end; i++)
		replay_piece(log, {i, 0, log.entries()[i].nr_sectors}, target);
}

} // namespace tools
