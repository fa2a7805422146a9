// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the kernel module tells on generic netlink, as values.
// kernel/uapi/snap_genl.h is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"

namespace snapctl::genl {

enum class Kind {
	invalid, overflow, low_water, no_space, space_found,
	merge_progress, merge_done, merge_failed, merge_paused, merge_resumed,
};

struct Flags {
	bool invalid = false, overflow = false, low_water = false, no_space = false, queue = false;
	bool suspended = false, merge = false, merge_done = false, merge_failed = false, merge_paused = false;
	bool operator==(const Flags&) const = default;
};

// What an event and a dump have in common.
struct Report {
	std::uint32_t major = 0, minor = 0;
	std::string name, uuid;
	Flags flags;
	Sectors allocated, total, metadata;
	Bytes fill_rate; // a second
	Sectors low_water;
};

struct KernelEvent {
	Kind kind = Kind::invalid;
	std::uint64_t time_ns = 0; // of CLOCK_MONOTONIC
	Report report;
};

struct KernelCounters {
	Report report;
	std::vector<std::pair<std::string, std::uint64_t>> values; // names as in stats, in this order
	std::vector<std::uint64_t> latency;                        // bucket i: below 2^i microseconds
	std::optional<std::uint64_t> merge_rate_kib;
};

// From the attributes of one message, behind the header of generic netlink.
// Nothing when it is an event of a kind that is not known here; throws Error
// when what must be there is not.
[[nodiscard]] std::optional<KernelEvent> parse_event(std::span<const std::byte> attributes);
[[nodiscard]] KernelCounters parse_counters(std::span<const std::byte> attributes);

class EventSource {
public:
	EventSource() = default;
	EventSource(const EventSource&) = delete;
	EventSource& operator=(const EventSource&) = delete;
	virtual ~EventSource() = default;

	// Stays the same for the life of this.
	[[nodiscard]] virtual int fd() = 0;

	struct Batch {
		std::vector<KernelEvent> events;
		bool lost = false; // some were: ask dump() what is true now
	};
	// What has come so far, without waiting.
	[[nodiscard]] virtual Batch read() = 0;
	[[nodiscard]] virtual std::vector<KernelCounters> dump() = 0;

	// Looks for the module's family again, which comes and goes with the module.
	// True: it is there and events are listened for.
	virtual bool refresh() = 0;
};

// Needs CAP_NET_ADMIN. Also when the module is not loaded: see refresh().
[[nodiscard]] std::unique_ptr<EventSource> make_netlink_source();

} // namespace snapctl::genl
