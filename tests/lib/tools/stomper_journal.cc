// SPDX-License-Identifier: GPL-2.0-or-later
#include "stomper_journal.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include <fcntl.h>
#include <unistd.h>

namespace tools {

namespace {

std::uint64_t check_of(const JournalRecord &record)
{
	const std::uint64_t head = static_cast<std::uint64_t>(record.type) | std::uint64_t{record.device} << 8 |
				   std::uint64_t{record.flags} << 16 | std::uint64_t{record.nr_sectors} << 32;
	return mix64(head ^ mix64(record.sector ^ mix64(record.id)));
}

Cell cell_of(const JournalRecord &record)
{
	if (record.flags & journal_zero)
		return cell_zero;
	return record.flags & journal_any ? cell_any : record.id;
}

// The records up to the end or to one that was cut off.
std::vector<JournalRecord> read_records(int fd, const std::string &path, std::uint64_t offset)
{
	std::vector<JournalRecord> records;
	std::vector<JournalRecord> piece(4096);
	while (true) {
		const ssize_t got = ::pread(fd, piece.data(), piece.size() * sizeof(JournalRecord),
					    static_cast<off_t>(offset));
		if (got < 0)
			throw Error(errno, "read: " + path);
		const std::size_t nr = static_cast<std::size_t>(got) / sizeof(JournalRecord);
		for (std::size_t i = 0; i < nr; i++) {
			if (piece[i].check != check_of(piece[i]))
				return records;
			records.push_back(piece[i]);
		}
		if (nr == 0)
			return records;
		offset += nr * sizeof(JournalRecord);
	}
}

} // namespace

Journal::Journal(const std::string &path, const std::vector<const Device *> &devices)
	: path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644))
{
	if (fd_.get() < 0)
		throw Error(errno, "open: " + path);
	write_cells(fd_.get(), path_, devices);
	if (::fsync(fd_.get()) < 0)
		throw Error(errno, "flush: " + path);
}

void Journal::append(JournalRecord record)
{
	record.check = check_of(record);
	const std::lock_guard guard(mutex_);
	write_all(fd_.get(), path_, std::as_bytes(std::span(&record, 1)));
}

AfterCrash::AfterCrash(std::vector<Cell> start)
	: durable_(std::move(start)), newest_(durable_.size(), 0), later_(1)
{
}

void AfterCrash::write(SectorRange range, Cell cell, bool durable)
{
	for (std::uint64_t sector = range.start; sector < range.end() && sector < durable_.size(); sector++) {
		if (durable) {
			durable_[sector] = cell;
			newest_[sector] = 0;
		} else {
			later_.push_back({cell, newest_[sector]});
			newest_[sector] = static_cast<std::uint32_t>(later_.size() - 1);
		}
	}
}

bool AfterCrash::accepts(const std::byte *data, std::uint64_t sector) const
{
	if (sector_matches(data, sector, durable_[sector]))
		return true;
	for (std::uint32_t at = newest_[sector]; at; at = later_[at].before)
		if (sector_matches(data, sector, later_[at].cell))
			return true;
	return false;
}

std::string AfterCrash::expected_text(std::uint64_t sector) const
{
	std::string text = cell_text(durable_[sector]);
	for (std::uint32_t at = newest_[sector]; at; at = later_[at].before)
		text += " or " + cell_text(later_[at].cell);
	return text;
}

JournalState read_journal(const std::string &path)
{
	const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
	if (fd.get() < 0)
		throw Error(errno, "open: " + path);
	std::uint64_t offset = 0;
	JournalState state;
	for (NamedCells &cells : read_cells(fd.get(), path, offset))
		state.devices.push_back({std::move(cells.name), AfterCrash(std::move(cells.cells)), false});
	const std::vector<JournalRecord> records = read_records(fd.get(), path, offset);

	// When was each write acked, and up to where are acks covered by a flush?
	std::unordered_map<std::uint64_t, std::size_t> acked, begun;
	std::vector<std::size_t> flushed(state.devices.size(), 0);
	for (std::size_t at = 0; at < records.size(); at++) {
		const JournalRecord &record = records[at];
		if (record.device >= state.devices.size())
			throw Error("read: " + path + ": a record names a device that is not there");
		switch (record.type) {
		case JournalType::intent:
			break;
		case JournalType::ack:
			acked.emplace(record.id, at);
			break;
		case JournalType::flush_begin:
			begun.emplace(record.id, at);
			break;
		case JournalType::flush_ack:
			state.nr_flushes++;
			flushed[record.device] = std::max(flushed[record.device], begun.at(record.id));
			break;
		case JournalType::gone:
			state.devices[record.device].gone = true;
			break;
		}
	}

	// Writes of one sector never overlap in time: the order of intents is theirs.
	for (const JournalRecord &record : records) {
		if (record.type != JournalType::intent)
			continue;
		const auto ack = acked.find(record.id);
		const bool durable = ack != acked.end() && ((record.flags & journal_durable) ||
							   ack->second < flushed[record.device]);
		state.nr_writes++;
		state.nr_acked += ack != acked.end();
		state.nr_durable += durable;
		state.devices[record.device].after.write({record.sector, record.nr_sectors}, cell_of(record), durable);
	}
	return state;
}

} // namespace tools
