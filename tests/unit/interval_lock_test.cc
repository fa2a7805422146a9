// SPDX-License-Identifier: GPL-2.0-or-later
#include "base.h"
#include "interval_lock.h"

#include <thread>

#include <boost/test/unit_test.hpp>

using namespace tools;

BOOST_AUTO_TEST_SUITE(interval_lock)

BOOST_AUTO_TEST_CASE(writers_are_alone_and_readers_share)
{
	constexpr std::uint64_t sectors = 64;
	IntervalLock lock;
	std::vector<std::atomic<int>> state(sectors); // -1: a writer, n: readers
	std::atomic<bool> wrong = false;
	{
		std::vector<std::jthread> threads;
		for (unsigned t = 0; t < 4; t++)
			threads.emplace_back([&, t] {
				Random random(t);
				for (unsigned i = 0; i < 3000; i++) {
					const std::uint64_t start = random.below(sectors - 8), nr = 1 + random.below(8);
					const bool writing = random.percent(50);
					const IntervalLock::Guard guard(lock, {start, nr},
									writing ? IntervalLock::Mode::exclusive
										: IntervalLock::Mode::shared);
					for (std::uint64_t s = start; s < start + nr; s++)
						if (writing ? state[s].exchange(-1) != 0 : state[s]++ < 0)
							wrong = true;
					for (std::uint64_t s = start; s < start + nr; s++)
						writing ? state[s] = 0 : state[s]--;
				}
			});
	}
	BOOST_TEST(!wrong);
}

BOOST_AUTO_TEST_SUITE_END()
