// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/progress.h"

#include <algorithm>

#include "base/text.h"
#include "cli/cell.h"

namespace snapctl::cli {

namespace {

std::string pace(const engine::MergeState& merge)
{
	if (merge.paused)
		return "paused";
	std::string text = format_bytes_rounded(merge.rate) + "/s";
	if (merge.time_left)
		text += "  " + text_of(*merge.time_left) + " to go";
	return text;
}

} // namespace

Percent merged_percent(const engine::MergeState& merge)
{
	const Bytes whole = std::max(merge.at_start, merge.left);
	if (whole.count == 0 || merge.left.count == 0)
		return Percent{100};
	return std::min(percent_of(whole - merge.left, whole), Percent{99});
}

std::string progress_bar(const std::string& name, const engine::MergeState& merge, unsigned width)
{
	const Percent percent = merged_percent(merge);
	std::string number = std::to_string(percent.count);
	number.insert(0, 3 - number.size(), ' ');
	const std::string after = " " + number + "%  " + format_bytes_rounded(merge.left) + " left  " + pace(merge);
	const std::string before = name + ' ';
	const std::size_t taken = before.size() + after.size() + 2;
	// A bar of less than five characters shows nothing.
	std::string bar;
	if (taken + 5 <= width) {
		const std::size_t length = std::min<std::size_t>(width - taken, 40);
		const std::size_t full = length * percent.count / 100;
		bar = '[' + std::string(full, '#') + std::string(length - full, '-') + ']';
	}
	std::string line = before + bar + after;
	line.resize(std::min<std::size_t>(line.size(), width));
	return line;
}

std::string progress_line(const std::string& name, const engine::MergeState& merge)
{
	return name + ": " + format_percent(merged_percent(merge)) + " merged, " +
	       format_bytes_rounded(merge.left) + " left, " +
	       (merge.paused ? "paused" : format_bytes_rounded(merge.rate) + "/s");
}

} // namespace snapctl::cli
