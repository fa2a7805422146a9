// SPDX-License-Identifier: GPL-2.0-or-later
//
// The log of dm-log-writes, and the states that a disk may be in after a crash
// at some point of it.
//
// On disk, in sectors of the logged device's logical block size: a super block
// {le64 magic, version, nr_entries; le32 sectorsize}, then for each entry one
// sector {le64 sector, nr_sectors, flags, data_len} and its nr_sectors of data
// (none for a discard; a mark's text is in the entry's own sector).
//
// The target logs a plain write when a later flush has completed (it was in the
// cache when the flush came), a flush and a FUA write when it has completed
// itself. So the first n entries are a state in which the cache lost everything
// that nobody had flushed.
//
// One thing the log cannot say: a FUA write stands before an earlier plain write
// that was not flushed yet, even of the same sectors, and a replay leaves the
// older data there. A load must flush between two such writes of one sector.
#ifndef TOOLS_WRITE_LOG_H
#define TOOLS_WRITE_LOG_H

#include "base.h"

namespace tools {

enum LogFlag : std::uint64_t { log_flush = 1, log_fua = 2, log_discard = 4, log_mark = 8, log_metadata = 16 };

struct LogEntry {
	std::uint64_t sector;	   // of 512 bytes, like all sectors here
	std::uint64_t nr_sectors;
	std::uint64_t flags;
	std::uint64_t data_offset; // in the log, bytes
	std::string mark;

	[[nodiscard]] bool is(LogFlag flag) const { return flags & flag; }
	// A point where something is known to be on the disk.
	[[nodiscard]] bool is_point() const { return flags & (log_flush | log_fua | log_mark); }
};

[[nodiscard]] std::string log_flags_text(std::uint64_t flags);

class WriteLog {
public:
	// Reads the entries, not the data. Throws where the log cannot be true.
	explicit WriteLog(const std::string &path);

	[[nodiscard]] const std::vector<LogEntry> &entries() const { return entries_; }
	[[nodiscard]] std::uint64_t block_sectors() const { return block_sectors_; }
	// Part of a write's data.
	void read(const LogEntry &entry, std::uint64_t first_sector, std::span<std::byte> into) const;

private:
	BlockFile file_;
	std::vector<LogEntry> entries_;
	std::uint64_t block_sectors_ = 1;
};

// A part of an entry that reaches the disk.
struct LogPiece {
	std::size_t entry;
	std::uint64_t first_sector; // within the entry
	std::uint64_t nr_sectors;
};

// The entries below this one are on the disk at a crash after @stop entries: the
// last flush completed then. Itself it may be on the disk or not, see crash_state().
[[nodiscard]] std::size_t last_flush(const WriteLog &log, std::size_t stop);

// What a crash after @stop entries may have left of entries last_flush() .. stop:
// every FUA write, and a subset of the others that @seed chooses. @tear: writes that
// are not known to be complete arrive in parts, and so does the very last one,
// FUA or not, as if it was under way.
[[nodiscard]] std::vector<LogPiece> crash_state(const WriteLog &log, std::size_t stop, std::uint64_t seed, bool tear);

// Where a replay goes.
class ReplayTarget {
public:
	virtual ~ReplayTarget() = default;
	virtual void write(std::uint64_t sector, std::span<const std::byte> data) = 0;
	virtual void zero(std::uint64_t sector, std::uint64_t nr_sectors) = 0;
};

void replay_piece(const WriteLog &log, const LogPiece &piece, ReplayTarget &target);
void replay_entries(const WriteLog &log, std::size_t start, std::size_t end, ReplayTarget &target);

} // namespace tools

#endif
