// SPDX-License-Identifier: GPL-2.0-or-later
#include "interval_lock.h"

#include <algorithm>

namespace tools {

bool IntervalLock::conflicts(SectorRange range, Mode mode) const
{
	return std::ranges::any_of(held_, [&](const Held &held) {
		return held.range.start < range.end() && range.start < held.range.end() &&
		       (mode == Mode::exclusive || held.mode == Mode::exclusive);
	});
}

void IntervalLock::acquire(SectorRange range, Mode mode)
{
	std::unique_lock guard(mutex_);
	released_.wait(guard, [&] { return !conflicts(range, mode); });
	held_.push_back({range, mode});
}

void IntervalLock::release(SectorRange range, Mode mode)
{
	{
		const std::lock_guard guard(mutex_);
		const auto found = std::ranges::find_if(held_, [&](const Held &held) {
			return held.range.start == range.start && held.range.nr == range.nr && held.mode == mode;
		});
		*found = held_.back();
		held_.pop_back();
	}
	released_.notify_all();
}

} // namespace tools
