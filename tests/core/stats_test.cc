// SPDX-License-Identifier: GPL-2.0-or-later
//
// Waits against a model that knows every waiter, latency buckets, and the rate of filling.
#include <boost/test/unit_test.hpp>

#include <numeric>
#include <random>
#include <vector>

extern "C" {
#include "snap_stats.h"
}

namespace {

constexpr std::uint64_t ms = 1000000;
constexpr std::uint64_t mib = 1 << 20;

} // namespace

BOOST_AUTO_TEST_SUITE(stats)

BOOST_AUTO_TEST_CASE(sum_of_waits_is_that_of_every_waiter)
{
	std::mt19937_64 random(1);
	snap_waits waits{};
	std::vector<std::uint64_t> began;
	std::uint64_t now = 5, ended_ns = 0, nr = 0;
	for (int i = 0; i < 10000; i++) {
		now += random() % 1000;
		const std::uint64_t count = random() % 5;
		if (random() % 2) {
			snap_waits_begin(&waits, now, count);
			began.insert(began.end(), count, now);
			nr += count;
		} else if (began.size() >= count) {
			// Whoever goes: the sum is the same in the end.
			snap_waits_end(&waits, now, count);
			for (std::uint64_t k = 0; k < count; k++) {
				const std::size_t at = random() % began.size();
				ended_ns += now - began[at];
				began.erase(began.begin() + static_cast<std::ptrdiff_t>(at));
			}
		}
		const auto open_ns = std::accumulate(began.begin(), began.end(), std::uint64_t{0},
						     [&](auto sum, auto then) { return sum + (now - then); });
		BOOST_REQUIRE_EQUAL(snap_waits_ns(&waits, now), ended_ns + open_ns);
		BOOST_REQUIRE_EQUAL(waits.now_waiting, began.size());
		BOOST_REQUIRE_EQUAL(waits.nr, nr);
	}
}

BOOST_AUTO_TEST_CASE(clock_that_goes_back_adds_no_wait)
{
	snap_waits waits{};
	snap_waits_begin(&waits, 1000, 1);
	snap_waits_begin(&waits, 900, 1);
	BOOST_CHECK_EQUAL(snap_waits_ns(&waits, 900), 0U);
	BOOST_CHECK_EQUAL(snap_waits_ns(&waits, 1100), 200U);
	snap_waits_end(&waits, 1100, 5);
	BOOST_CHECK_EQUAL(waits.now_waiting, 0U);
	BOOST_CHECK_EQUAL(snap_waits_ns(&waits, 5000), 200U);
}

BOOST_AUTO_TEST_CASE(latency_bucket_is_the_power_of_two_above)
{
	BOOST_CHECK_EQUAL(snap_latency_bucket(0, 32), 0U);
	BOOST_CHECK_EQUAL(snap_latency_bucket(999, 32), 0U);
	BOOST_CHECK_EQUAL(snap_latency_bucket(1000, 32), 1U);
	BOOST_CHECK_EQUAL(snap_latency_bucket(1999, 32), 1U);
	BOOST_CHECK_EQUAL(snap_latency_bucket(2000, 32), 2U);
	for (std::uint32_t i = 1; i < 31; i++) {
		BOOST_CHECK_EQUAL(snap_latency_bucket(1000ULL << (i - 1), 32), i);
		BOOST_CHECK_EQUAL(snap_latency_bucket((1000ULL << i) - 1, 32), i);
	}
	BOOST_CHECK_EQUAL(snap_latency_bucket(UINT64_MAX, 32), 31U);
	BOOST_CHECK_EQUAL(snap_latency_bucket(UINT64_MAX, 4), 3U);
}

BOOST_AUTO_TEST_CASE(rate_of_steady_filling_is_that_rate)
{
	snap_rate rate{};
	BOOST_CHECK_EQUAL(snap_rate_get(&rate, 100), 0U);
	// 1 MiB every 10 ms are 100 MiB/s.
	std::uint64_t now = 7 * ms;
	for (int i = 0; i < 200; i++, now += 10 * ms) {
		snap_rate_add(&rate, now, mib);
		if (i < 3)
			continue;
		const std::uint64_t got = snap_rate_get(&rate, now);
		BOOST_CHECK_GE(got, 85 * mib);
		BOOST_CHECK_LE(got, 140 * mib);
	}
}

BOOST_AUTO_TEST_CASE(rate_is_known_within_the_first_window)
{
	snap_rate rate{};
	for (std::uint64_t i = 0; i <= 20; i++)
		snap_rate_add(&rate, ms + i * ms, mib);
	BOOST_CHECK_GE(snap_rate_get(&rate, 21 * ms), 1000 * mib);
	BOOST_CHECK_LE(snap_rate_get(&rate, 21 * ms), 1100 * mib);
}

BOOST_AUTO_TEST_CASE(rate_falls_when_filling_stops_and_starts_anew)
{
	snap_rate rate{};
	std::uint64_t now = ms;
	for (int i = 0; i < 100; i++, now += 10 * ms)
		snap_rate_add(&rate, now, mib);
	const std::uint64_t busy = snap_rate_get(&rate, now);
	BOOST_CHECK_LT(snap_rate_get(&rate, now + 500 * ms), busy * 3 / 4);
	BOOST_CHECK_LT(snap_rate_get(&rate, now + 60000 * ms), mib);
	now += 60000 * ms;
	for (int i = 0; i < 10; i++, now += ms)
		snap_rate_add(&rate, now, mib);
	BOOST_CHECK_GE(snap_rate_get(&rate, now), 800 * mib);
}

BOOST_AUTO_TEST_CASE(absurd_amounts_do_not_overflow)
{
	snap_rate rate{};
	snap_rate_add(&rate, 0, UINT64_MAX / 1000000 + 1);
	BOOST_CHECK_GE(snap_rate_get(&rate, 200 * ms), UINT64_MAX / 1000000 / 10);
}

BOOST_AUTO_TEST_SUITE_END()
