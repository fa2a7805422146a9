// SPDX-License-Identifier: GPL-2.0-or-later
//
// The load of a crash test. Every write follows from the plan and its number,
// so a checker that sees only the log of the disk, with the plan and the
// acknowledgements as marks in it, knows what each sector may hold:
//
//   plan:seed=1,batch=8,...   the load from here on; the devices are in use
//   ack=N                     all writes below number N are done and flushed
//
// Writes of a batch are issued together and never overlap on one device. The
// next batch starts after the acknowledgement, so at any point only one batch is
// in question. Before the first plan every sector holds the original pattern.
#ifndef TOOLS_CRASH_PLAN_H
#define TOOLS_CRASH_PLAN_H

#include "interval_lock.h"
#include "sector.h"

namespace tools {

// Target 0 is the origin, target 1 + n is snapshot n.
struct CrashPlan {
	std::uint64_t seed = 1;
	std::uint64_t batch = 8;	   // writes in a batch
	std::uint64_t first = 1;	   // number of the first write, the one after the last of an earlier plan
	std::uint64_t max_sectors = 128;   // of one write
	std::uint64_t align_sectors = 1;
	unsigned snap_percent = 30;	   // of the writes go to snapshots
	std::uint64_t origin_sectors = 0;
	std::vector<std::uint64_t> snaps;  // sectors of each snapshot, 0: not there (any more)
	std::vector<bool> writable;	   // of each snapshot
	std::optional<unsigned> merging;   // this snapshot: the origin's place shows its contents
	std::optional<unsigned> adopted;   // the origin holds now what this snapshot held: its merge is done

	bool operator==(const CrashPlan &) const = default;
};

struct PlannedWrite {
	std::uint64_t number;
	unsigned target;
	SectorRange range;
	Cell stamp;
	bool durable; // a FUA write
};

[[nodiscard]] std::string format_plan(const CrashPlan &plan);
// Nothing when the mark is something else; throws Error for a plan that is broken.
[[nodiscard]] std::optional<CrashPlan> parse_plan(std::string_view mark);
// `ack=N`, `ack N` or `ack:N`
[[nodiscard]] std::optional<std::uint64_t> parse_ack(std::string_view mark);

// The writes of batch @index, in the order of their numbers.
[[nodiscard]] std::vector<PlannedWrite> plan_batch(const CrashPlan &plan, std::uint64_t index);

} // namespace tools

#endif
