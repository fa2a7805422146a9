// SPDX-License-Identifier: GPL-2.0-or-later
#include "crash_plan.h"

#include <algorithm>

namespace tools {

namespace {

constexpr std::string_view plan_prefix = "plan:";

template <typename List> std::string join(const List &list)
{
	std::string text;
	for (const auto value : list)
		text += (text.empty() ? "" : "/") + std::to_string(static_cast<std::uint64_t>(value));
	return text;
}

} // namespace

std::string format_plan(const CrashPlan &plan)
{
	std::string text(plan_prefix);
	const auto add = [&text](const char *key, const std::string &value) {
		text += (text.back() == ':' ? "" : ",") + std::string(key) + "=" + value;
	};
	add("seed", std::to_string(plan.seed));
	add("batch", std::to_string(plan.batch));
	add("first", std::to_string(plan.first));
	add("max", std::to_string(plan.max_sectors));
	add("align", std::to_string(plan.align_sectors));
	add("snap_percent", std::to_string(plan.snap_percent));
	add("origin", std::to_string(plan.origin_sectors));
	if (!plan.snaps.empty()) {
		add("snaps", join(plan.snaps));
		add("writable", join(plan.writable));
	}
	if (plan.merging)
		add("merging", std::to_string(*plan.merging));
	if (plan.adopted)
		add("adopted", std::to_string(*plan.adopted));
	return text;
}

std::optional<CrashPlan> parse_plan(std::string_view mark)
try {
	if (!mark.starts_with(plan_prefix))
		return std::nullopt;
	CrashPlan plan;
	for (const std::string &part : split(mark.substr(plan_prefix.size()), ',')) {
		const std::size_t at = part.find('=');
		if (at == std::string::npos)
			throw UsageError("no value in " + part);
		const std::string key = part.substr(0, at), value = part.substr(at + 1);
		if (key == "snaps") {
			for (const std::string &sectors : split(value, '/'))
				plan.snaps.push_back(parse_number(sectors));
			continue;
		}
		if (key == "writable") {
			for (const std::string &yes : split(value, '/'))
				plan.writable.push_back(parse_number(yes) != 0);
			continue;
		}
		const std::uint64_t number = parse_number(value);
		if (key == "seed")
			plan.seed = number;
		else if (key == "batch")
			plan.batch = number;
		else if (key == "first")
			plan.first = number;
		else if (key == "max")
			plan.max_sectors = number;
		else if (key == "align")
			plan.align_sectors = number;
		else if (key == "snap_percent")
			plan.snap_percent = static_cast<unsigned>(number);
		else if (key == "origin")
			plan.origin_sectors = number;
		else if (key == "merging")
			plan.merging = static_cast<unsigned>(number);
		else if (key == "adopted")
			plan.adopted = static_cast<unsigned>(number);
		else
			throw UsageError("unknown key " + key);
	}
	if (!plan.batch || !plan.first || !plan.align_sectors || !plan.origin_sectors ||
	    plan.snaps.size() != plan.writable.size() || (plan.merging && *plan.merging >= plan.snaps.size()) ||
	    (plan.adopted && *plan.adopted >= plan.snaps.size()) ||
	    std::ranges::any_of(plan.snaps, [&](std::uint64_t sectors) { return sectors > plan.origin_sectors; }))
		throw UsageError("values that do not fit together");
	return plan;
} catch (const UsageError &error) {
	throw Error("plan: " + std::string(mark) + ": " + error.what());
}

std::optional<std::uint64_t> parse_ack(std::string_view mark)
{
	if (mark.size() < 5 || !mark.starts_with("ack") || std::string_view("= :").find(mark[3]) == std::string_view::npos)
		return std::nullopt;
	return parse_number(mark.substr(4));
}

std::vector<PlannedWrite> plan_batch(const CrashPlan &plan, std::uint64_t index)
{
	Random random(mix64(plan.seed) ^ mix64(plan.first + index * plan.batch));
	// While a snapshot merges, writes to the origin's place are writes to its contents.
	std::vector<unsigned> snaps;
	for (unsigned i = 0; i < plan.snaps.size(); i++)
		if (plan.snaps[i] && plan.writable[i] && plan.merging != i)
			snaps.push_back(i);

	std::vector<PlannedWrite> writes;
	for (std::uint64_t i = 0; i < plan.batch; i++) {
		unsigned target = plan.merging ? *plan.merging + 1 : 0;
		if (!snaps.empty() && random.percent(plan.snap_percent))
			target = snaps[random.below(snaps.size())] + 1;
		const std::uint64_t sectors = target ? plan.snaps[target - 1] : plan.origin_sectors;
		const std::uint64_t blocks = sectors / plan.align_sectors;
		const std::uint64_t number = plan.first + index * plan.batch + i;
		const bool durable = random.percent(10);
		for (unsigned tries = 0; tries < 20; tries++) {
			// Small writes are the most; a few are as long as allowed.
			const std::uint64_t limit = random.percent(60) ? 8 : plan.max_sectors;
			const std::uint64_t nr = std::min(
				blocks, 1 + random.below(std::max<std::uint64_t>(limit / plan.align_sectors, 1)));
			const SectorRange range{random.below(blocks - nr + 1) * plan.align_sectors,
						nr * plan.align_sectors};
			const bool overlaps = std::ranges::any_of(writes, [&](const PlannedWrite &other) {
				return other.target == target && other.range.start < range.end() &&
				       range.start < other.range.end();
			});
			if (overlaps || !range.nr)
				continue;
			writes.push_back({number, target, range, make_stamp(mix64(plan.seed), target, number), durable});
			break;
		}
	}
	return writes;
}

} // namespace tools
