// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/policy.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace snapctl::engine {

ExtendPolicy policy_for(const Config& config, SpaceKind kind)
{
	ExtendPolicy policy;
	switch (kind) {
	case SpaceKind::file: policy.on = config.extend_file; break;
	case SpaceKind::volume_group: policy.on = config.extend_volume_group; break;
	case SpaceKind::device: break; // it grows by others' hands
	}
	policy.threshold = config.threshold;
	policy.step = config.step;
	policy.maximum = config.maximum;
	if (policy.threshold == Percent{0} || policy.threshold >= Percent{100})
		policy.on = false;
	return policy;
}

std::optional<Bytes> next_size(const ExtendPolicy& policy, const SpaceNow& now)
{
	if (!policy.on || percent_of(now.allocated, now.total) < policy.threshold)
		return std::nullopt;
	Bytes limit = now.worst_case;
	if (policy.maximum != Percent{0})
		limit = std::min(limit, share_of(policy.maximum, now.origin));
	limit = round_up(limit, now.unit);
	if (now.total >= limit)
		return std::nullopt;

	Bytes step = std::max(share_of(policy.step, now.total), now.unit);
	if (now.fill_rate) {
		const Bytes ten_seconds = share_of(Percent{1000}, *now.fill_rate);
		step = std::max(step, now.room ? std::min(ten_seconds, Bytes{now.room->count / 2}) : ten_seconds);
	}
	if (now.room)
		step = std::max(std::min(step, Bytes{now.room->count - now.room->count / 16}), now.unit);
	const bool fits = step.count <= std::numeric_limits<std::uint64_t>::max() - now.total.count;
	const Bytes wished = fits ? round_up(now.total + step, now.unit) : limit;
	return std::min(wished, limit);
}

Bytes low_water_mark(const ExtendPolicy& policy, Bytes total)
{
	if (policy.threshold == Percent{0} || policy.threshold >= Percent{100})
		return Bytes{0};
	// Rounded down: when the kernel says that it is reached, so is the threshold.
	return share_of(Percent{100} - policy.threshold, total);
}

std::uint64_t merge_rate_kib(Bytes rate) noexcept
{
	return rate.count == 0 ? 0 : std::max<std::uint64_t>(rate.count / 1024, 1);
}

} // namespace snapctl::engine
