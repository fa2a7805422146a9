// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include "engine/policy.h"

using namespace snapctl;
using namespace snapctl::engine;

namespace {

constexpr std::uint64_t mib = 1 << 20;

ExtendPolicy policy(std::uint64_t threshold = 80, std::uint64_t step = 50, std::uint64_t maximum = 0)
{
	return {true, Percent{threshold}, Percent{step}, Percent{maximum}};
}

SpaceNow space(std::uint64_t allocated, std::uint64_t total)
{
	return {Bytes{allocated * mib}, Bytes{total * mib}, Bytes{1000 * mib}, Bytes{1005 * mib}, Bytes{mib}, std::nullopt, std::nullopt};
}

// In MiB, 0 for "not now".
std::uint64_t next(const ExtendPolicy& its, const SpaceNow& now)
{
	return next_size(its, now).value_or(Bytes{0}).count / mib;
}

} // namespace

BOOST_AUTO_TEST_SUITE(policies)

BOOST_AUTO_TEST_CASE(space_grows_by_a_step_when_the_threshold_is_reached)
{
	const std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>> table = {
		{79, 100, 0}, {80, 100, 150}, {100, 100, 150}, {0, 100, 0}, {800, 1000, 1005}, {1000, 1005, 0}, {1, 1, 2},
	};
	for (const auto& [allocated, total, expected] : table)
		BOOST_TEST(next(policy(), space(allocated, total)) == expected, allocated << " of " << total);
}

BOOST_AUTO_TEST_CASE(space_grows_no_further_than_the_maximum_or_the_worst_case)
{
	BOOST_TEST(next(policy(80, 50, 12), space(80, 100)) == 120u);
	BOOST_TEST(next(policy(80, 50, 10), space(80, 100)) == 0u);
	BOOST_TEST(next(policy(80, 50, 500), space(800, 900)) == 1005u);
	BOOST_TEST(next(policy(80, 1000000, 0), space(80, 100)) == 1005u);
}

BOOST_AUTO_TEST_CASE(step_covers_ten_seconds_at_the_present_rate)
{
	SpaceNow now = space(80, 100);
	now.fill_rate = Bytes{20 * mib};
	BOOST_TEST(next(policy(), now) == 300u);
	now.fill_rate = Bytes{1 * mib};
	BOOST_TEST(next(policy(), now) == 150u);
	now.fill_rate = Bytes{~0ull};
	BOOST_TEST(next(policy(), now) == 1005u);
}

BOOST_AUTO_TEST_CASE(step_leaves_room_to_others)
{
	SpaceNow now = space(80, 100);
	now.room = Bytes{160 * mib};
	BOOST_TEST(next(policy(), now) == 150u);
	now.fill_rate = Bytes{20 * mib}; // 200 in ten seconds, half of the room is less
	BOOST_TEST(next(policy(), now) == 180u);
	now.room = Bytes{32 * mib};
	BOOST_TEST(next(policy(), now) == 130u);
	now.room = Bytes{0}; // then it fails, and says so
	BOOST_TEST(next(policy(), now) == 101u);
}

BOOST_AUTO_TEST_CASE(sizes_are_multiples_of_the_unit)
{
	SpaceNow now = space(90, 101);
	now.unit = Bytes{4 * mib};
	BOOST_TEST(next(policy(), now) % 4 == 0u);
	now.worst_case = Bytes{102 * mib};
	BOOST_TEST(next(policy(), now) == 104u);
}

BOOST_AUTO_TEST_CASE(kinds_of_space_have_their_defaults)
{
	const Config config;
	BOOST_TEST(policy_for(config, SpaceKind::file).on);
	BOOST_TEST(policy_for(config, SpaceKind::volume_group).on);
	BOOST_TEST(!policy_for(config, SpaceKind::device).on);
	BOOST_TEST(policy_for(config, SpaceKind::file).threshold.count == 80u);
	BOOST_TEST(policy_for(config, SpaceKind::file).step.count == 50u);
	for (const std::uint64_t off : {0u, 100u}) {
		Config other;
		other.threshold = Percent{off};
		BOOST_TEST(!policy_for(other, SpaceKind::file).on);
		BOOST_TEST(low_water_mark(policy_for(other, SpaceKind::file), Bytes{100 * mib}).count == 0u);
	}
	BOOST_TEST(next({}, space(100, 100)) == 0u);
}

BOOST_AUTO_TEST_CASE(low_water_mark_is_what_is_free_at_the_threshold)
{
	BOOST_TEST(low_water_mark(policy(), Bytes{100 * mib}).count == 20 * mib);
	BOOST_TEST(low_water_mark(policy(50), Bytes{100 * mib}).count == 50 * mib);
	BOOST_TEST(low_water_mark(policy(), Bytes{0}).count == 0u);
	// When the kernel raises its event the policy acts, whatever the rounding.
	for (std::uint64_t total = 1; total < 3000; total++) {
		for (const std::uint64_t threshold : {1u, 33u, 80u, 99u}) {
			SpaceNow now{Bytes{}, Bytes{total * 512}, Bytes{1 << 30}, Bytes{1 << 30}, Bytes{512}, std::nullopt, std::nullopt};
			const std::uint64_t mark = low_water_mark(policy(threshold), now.total).count / 512;
			now.allocated = Bytes{(total - mark) * 512};
			if (!next_size(policy(threshold), now))
				BOOST_ERROR(total << " sectors, " << threshold << "%");
		}
	}
}

BOOST_AUTO_TEST_SUITE_END()
