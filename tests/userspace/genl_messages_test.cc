// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include <cstring>

#include "base/error.h"
#include "genl/events.h"
#include "snap_genl.h"

using namespace snapctl;
using namespace snapctl::genl;

namespace {

// Attributes as the kernel lays them out.
class Message {
public:
	Message& raw(int type, const void* data, std::size_t size)
	{
		const auto length = static_cast<std::uint16_t>(size + 4), number = static_cast<std::uint16_t>(type);
		const std::size_t at = bytes.size();
		bytes.resize(at + ((length + 3u) & ~3u));
		std::memcpy(&bytes[at], &length, 2);
		std::memcpy(&bytes[at + 2], &number, 2);
		if (size > 0)
			std::memcpy(&bytes[at + 4], data, size);
		return *this;
	}
	Message& u32(int type, std::uint32_t value) { return raw(type, &value, sizeof(value)); }
	Message& u64(int type, std::uint64_t value) { return raw(type, &value, sizeof(value)); }
	Message& text(int type, const std::string& value) { return raw(type, value.c_str(), value.size() + 1); }

	std::vector<std::byte> bytes;
};

Message common()
{
	Message message;
	message.u32(SNAP_GENL_A_MAJOR, 253).u32(SNAP_GENL_A_MINOR, 7).text(SNAP_GENL_A_NAME, "monday");
	message.text(SNAP_GENL_A_UUID, "SNAPCTL-snap-1").u32(SNAP_GENL_A_FLAGS, SNAP_GENL_F_LOW_WATER | SNAP_GENL_F_QUEUE);
	message.u64(SNAP_GENL_A_ALLOCATED, 100).u64(SNAP_GENL_A_TOTAL, 128).u64(SNAP_GENL_A_METADATA, 16);
	message.u64(SNAP_GENL_A_FILL_RATE, 1 << 20).u64(SNAP_GENL_A_LOW_WATER, 32);
	return message;
}

} // namespace

BOOST_AUTO_TEST_SUITE(messages)

BOOST_AUTO_TEST_CASE(event_has_all_that_the_kernel_told)
{
	const auto event = parse_event(common().u32(SNAP_GENL_A_EVENT, SNAP_GENL_EVENT_LOW_WATER).u64(SNAP_GENL_A_TIME, 5).bytes);
	BOOST_REQUIRE(event);
	BOOST_TEST((event->kind == Kind::low_water));
	BOOST_TEST(event->time_ns == 5u);
	BOOST_TEST(event->report.major == 253u);
	BOOST_TEST(event->report.minor == 7u);
	BOOST_TEST(event->report.name == "monday");
	BOOST_TEST(event->report.uuid == "SNAPCTL-snap-1");
	BOOST_TEST(event->report.allocated.count == 100u);
	BOOST_TEST(event->report.total.count == 128u);
	BOOST_TEST(event->report.metadata.count == 16u);
	BOOST_TEST(event->report.fill_rate.count == 1u << 20);
	BOOST_TEST(event->report.low_water.count == 32u);
	Flags flags;
	flags.low_water = flags.queue = true;
	BOOST_TEST((event->report.flags == flags));
}

BOOST_AUTO_TEST_CASE(unknown_events_and_attributes_are_passed_over)
{
	BOOST_TEST(!parse_event(common().u32(SNAP_GENL_A_EVENT, 9999).u64(SNAP_GENL_A_TIME, 5).bytes));
	BOOST_TEST(parse_event(common().u32(500, 1).raw(501, nullptr, 0).u32(SNAP_GENL_A_EVENT, 1).u64(SNAP_GENL_A_TIME, 5).bytes)
			   .has_value());
}

BOOST_AUTO_TEST_CASE(messages_with_something_missing_are_refused)
{
	BOOST_CHECK_THROW(static_cast<void>(parse_event({})), Error);
	BOOST_CHECK_THROW(static_cast<void>(parse_event(common().bytes)), Error);
	BOOST_CHECK_THROW(static_cast<void>(parse_event(common().u32(SNAP_GENL_A_EVENT, 1).bytes)), Error);
	BOOST_CHECK_THROW(static_cast<void>(parse_event(Message{}.u32(SNAP_GENL_A_EVENT, 1).u64(SNAP_GENL_A_TIME, 1).bytes)), Error);
	BOOST_CHECK_THROW(static_cast<void>(parse_counters(common().bytes)), Error);
}

BOOST_AUTO_TEST_CASE(attributes_never_reach_beyond_the_message)
{
	const auto whole = common().u32(SNAP_GENL_A_EVENT, 1).u64(SNAP_GENL_A_TIME, 5).bytes;
	for (std::size_t size = 0; size < whole.size(); size++)
		BOOST_CHECK_THROW(static_cast<void>(parse_event(std::vector(whole.begin(), whole.begin() + static_cast<long>(size)))), Error);
	BOOST_CHECK_THROW(static_cast<void>(parse_event(std::vector<std::byte>(8))), Error);
}

BOOST_AUTO_TEST_CASE(counters_have_names_and_buckets)
{
	Message message = common();
	for (const int type : {SNAP_GENL_A_EXCEPTIONS, SNAP_GENL_A_COPIES, SNAP_GENL_A_COPIED_BYTES, SNAP_GENL_A_SHARED_COPIES,
			       SNAP_GENL_A_COMMITS, SNAP_GENL_A_WAITS, SNAP_GENL_A_WAIT_NS, SNAP_GENL_A_SPACE_WAITS,
			       SNAP_GENL_A_SPACE_WAIT_NS, SNAP_GENL_A_WAITING})
		message.u64(type, static_cast<std::uint64_t>(type) * 10);
	std::uint64_t buckets[SNAP_GENL_LATENCY_BUCKETS] = {};
	buckets[3] = 4;
	message.raw(SNAP_GENL_A_LATENCY, buckets, sizeof(buckets)).u64(SNAP_GENL_A_MERGE_RATE, 1024);
	const KernelCounters counters = parse_counters(message.bytes);
	BOOST_TEST(counters.values.size() == 10u);
	BOOST_TEST(counters.values[0].first == "exceptions");
	BOOST_TEST(counters.values[0].second == SNAP_GENL_A_EXCEPTIONS * 10u);
	BOOST_TEST(counters.values[9].first == "waiting");
	BOOST_TEST(counters.latency.size() == 32u);
	BOOST_TEST(counters.latency[3] == 4u);
	BOOST_TEST(counters.merge_rate_kib.value() == 1024u);
}

BOOST_AUTO_TEST_SUITE_END()
