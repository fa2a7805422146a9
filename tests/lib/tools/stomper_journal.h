// SPDX-License-Identifier: GPL-2.0-or-later
//
// The journal of a stomper whose machine is going to be killed.
//
// The file starts with the cells of all devices (write_cells()), which were
// flushed before. Fixed records follow, one write(2) each: an intent before a
// write is issued, an ack after it completed and before anyone else may touch
// the range, the beginning and the ack of each flush. The order in the file is
// the order in which things were known, so a write is durable when its ack lies
// before the beginning of a flush of its device that was acked (or when it was
// itself a durable write and was acked).
//
// The journal must survive what kills the machine: a file on a 9p mount without
// write-back cache (cache=none or readahead), whose records are on the host when
// write(2) returns. On a disk of the machine, records that were lost look like
// writes that never were issued, and give false alarms.
#ifndef TOOLS_STOMPER_JOURNAL_H
#define TOOLS_STOMPER_JOURNAL_H

#include "device_model.h"

#include <mutex>

namespace tools {

enum class JournalType : std::uint8_t { intent = 1, ack, flush_begin, flush_ack, gone };
enum JournalFlag : std::uint16_t { journal_durable = 1, journal_zero = 2, journal_any = 4 };

struct JournalRecord {
	JournalType type;
	std::uint8_t device;
	std::uint16_t flags;
	std::uint32_t nr_sectors;
	std::uint64_t sector;
	std::uint64_t id; // the stamp of a write, a number of a flush
	std::uint64_t check;
};
static_assert(sizeof(JournalRecord) == 32);

class Journal {
public:
	Journal(const std::string &path, const std::vector<const Device *> &devices);
	void append(JournalRecord record);

private:
	std::string path_;
	Fd fd_;
	std::mutex mutex_;
};

// What one sector may hold after the crash: @durable, or any of the later ones.
class AfterCrash {
public:
	explicit AfterCrash(std::vector<Cell> start);

	void write(SectorRange range, Cell cell, bool durable);

	[[nodiscard]] std::uint64_t sectors() const { return durable_.size(); }
	[[nodiscard]] bool accepts(const std::byte *data, std::uint64_t sector) const;
	[[nodiscard]] std::string expected_text(std::uint64_t sector) const;

private:
	struct Later {
		Cell cell;
		std::uint32_t before;
	};
	std::vector<Cell> durable_;
	std::vector<std::uint32_t> newest_; // into later_; 0: none
	std::vector<Later> later_;
};

struct JournalState {
	struct PerDevice {
		std::string name;
		AfterCrash after;
		bool gone = false;
	};
	std::vector<PerDevice> devices;
	std::uint64_t nr_writes = 0, nr_acked = 0, nr_durable = 0, nr_flushes = 0;
};

[[nodiscard]] JournalState read_journal(const std::string &path);

} // namespace tools

#endif
