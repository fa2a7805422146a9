// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstring>

#include "snap_genl.h"

#include "base/error.h"
#include "genl/events.h"

namespace snapctl::genl {

namespace {

using Bytes_ = std::span<const std::byte>;

// The attributes of a message by number; of two with one number the last counts,
// numbers that are not known here are passed over.
class Attributes {
public:
	explicit Attributes(Bytes_ data)
	{
		constexpr std::size_t head = 4;
		while (data.size() >= head) {
			std::uint16_t length = 0, type = 0;
			std::memcpy(&length, data.data(), sizeof(length));
			std::memcpy(&type, data.data() + 2, sizeof(type));
			type &= 0x3fff; // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
			if (length < head || length > data.size())
				throw Error{Failure::malformed, "netlink", "", "an attribute is longer than its message"};
			if (type <= SNAP_GENL_A_MAX) {
				there_[type] = true;
				data_[type] = data.subspan(head, length - head);
			}
			data = data.subspan(std::min<std::size_t>(data.size(), (length + 3u) & ~3u));
		}
	}

	[[nodiscard]] bool has(int type) const { return there_[type]; }
	[[nodiscard]] Bytes_ raw(int type) const { return data_[type]; }

	[[nodiscard]] std::uint64_t u64(int type) const
	{
		need(type);
		std::uint64_t value = 0;
		if (data_[type].size() == sizeof(value)) {
			std::memcpy(&value, data_[type].data(), sizeof(value));
			return value;
		}
		return u32(type);
	}
	[[nodiscard]] std::uint32_t u32(int type) const
	{
		need(type);
		std::uint32_t value = 0;
		if (data_[type].size() != sizeof(value))
			throw Error{Failure::malformed, "netlink", std::to_string(type), "a number has the wrong length"};
		std::memcpy(&value, data_[type].data(), sizeof(value));
		return value;
	}
	[[nodiscard]] std::string text(int type) const
	{
		if (!has(type))
			return {};
		const auto* chars = reinterpret_cast<const char*>(data_[type].data());
		return {chars, ::strnlen(chars, data_[type].size())};
	}

private:
	void need(int type) const
	{
		if (!there_[type])
			throw Error{Failure::malformed, "netlink", std::to_string(type), "an attribute is missing"};
	}
	bool there_[SNAP_GENL_A_MAX + 1] = {};
	Bytes_ data_[SNAP_GENL_A_MAX + 1];
};

Report report_of(const Attributes& message)
{
	Report report;
	report.major = message.u32(SNAP_GENL_A_MAJOR);
	report.minor = message.u32(SNAP_GENL_A_MINOR);
	report.name = message.text(SNAP_GENL_A_NAME);
	report.uuid = message.text(SNAP_GENL_A_UUID);
	const std::uint32_t flags = message.u32(SNAP_GENL_A_FLAGS);
	report.flags = {
		(flags & SNAP_GENL_F_INVALID) != 0,	 (flags & SNAP_GENL_F_OVERFLOW) != 0,
		(flags & SNAP_GENL_F_LOW_WATER) != 0,	 (flags & SNAP_GENL_F_NO_SPACE) != 0,
		(flags & SNAP_GENL_F_QUEUE) != 0,	 (flags & SNAP_GENL_F_SUSPENDED) != 0,
		(flags & SNAP_GENL_F_MERGE) != 0,	 (flags & SNAP_GENL_F_MERGE_DONE) != 0,
		(flags & SNAP_GENL_F_MERGE_FAILED) != 0, (flags & SNAP_GENL_F_MERGE_PAUSED) != 0,
	};
	report.allocated = Sectors{message.u64(SNAP_GENL_A_ALLOCATED)};
	report.total = Sectors{message.u64(SNAP_GENL_A_TOTAL)};
	report.metadata = Sectors{message.u64(SNAP_GENL_A_METADATA)};
	report.fill_rate = Bytes{message.u64(SNAP_GENL_A_FILL_RATE)};
	if (message.has(SNAP_GENL_A_LOW_WATER))
		report.low_water = Sectors{message.u64(SNAP_GENL_A_LOW_WATER)};
	return report;
}

std::optional<Kind> kind_of(std::uint32_t event)
{
	switch (event) {
	case SNAP_GENL_EVENT_INVALID: return Kind::invalid;
	case SNAP_GENL_EVENT_OVERFLOW: return Kind::overflow;
	case SNAP_GENL_EVENT_LOW_WATER: return Kind::low_water;
	case SNAP_GENL_EVENT_NO_SPACE: return Kind::no_space;
	case SNAP_GENL_EVENT_SPACE_FOUND: return Kind::space_found;
	case SNAP_GENL_EVENT_MERGE_PROGRESS: return Kind::merge_progress;
	case SNAP_GENL_EVENT_MERGE_DONE: return Kind::merge_done;
	case SNAP_GENL_EVENT_MERGE_FAILED: return Kind::merge_failed;
	case SNAP_GENL_EVENT_MERGE_PAUSED: return Kind::merge_paused;
	case SNAP_GENL_EVENT_MERGE_RESUMED: return Kind::merge_resumed;
	default: return std::nullopt;
	}
}

} // namespace

std::optional<KernelEvent> parse_event(std::span<const std::byte> attributes)
{
	const Attributes message{attributes};
	const auto kind = kind_of(message.u32(SNAP_GENL_A_EVENT));
	if (!kind)
		return std::nullopt;
	KernelEvent event;
	event.kind = *kind;
	event.time_ns = message.u64(SNAP_GENL_A_TIME);
	event.report = report_of(message);
	return event;
}

KernelCounters parse_counters(std::span<const std::byte> attributes)
{
	static constexpr std::pair<int, const char*> names[] = {
		{SNAP_GENL_A_EXCEPTIONS, "exceptions"},
		{SNAP_GENL_A_COPIES, "copies"},
		{SNAP_GENL_A_COPIED_BYTES, "copied_bytes"},
		{SNAP_GENL_A_SHARED_COPIES, "shared_copies"},
		{SNAP_GENL_A_COMMITS, "commits"},
		{SNAP_GENL_A_WAITS, "waits"},
		{SNAP_GENL_A_WAIT_NS, "wait_ns"},
		{SNAP_GENL_A_SPACE_WAITS, "space_waits"},
		{SNAP_GENL_A_SPACE_WAIT_NS, "space_wait_ns"},
		{SNAP_GENL_A_WAITING, "waiting"},
	};
	const Attributes message{attributes};
	KernelCounters counters;
	counters.report = report_of(message);
	for (const auto& [type, name] : names)
		counters.values.emplace_back(name, message.u64(type));
	const auto latency = message.raw(SNAP_GENL_A_LATENCY);
	for (std::size_t i = 0; i + 8 <= latency.size(); i += 8) {
		std::uint64_t count = 0;
		std::memcpy(&count, latency.data() + i, sizeof(count));
		counters.latency.push_back(count);
	}
	if (message.has(SNAP_GENL_A_MERGE_RATE))
		counters.merge_rate_kib = message.u64(SNAP_GENL_A_MERGE_RATE);
	return counters;
}

} // namespace snapctl::genl
