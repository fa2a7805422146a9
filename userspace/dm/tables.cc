// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm/tables.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/text.h"

namespace snapctl::dm {

namespace {

[[noreturn]] void malformed(std::string_view what, std::string_view line, std::string_view reason)
{
	throw Error{Failure::malformed, what, line, reason};
}

std::uint64_t number(std::string_view what, std::string_view line, std::string_view word)
{
	const auto value = parse_number(word);
	if (!value)
		malformed(what, line, "'" + std::string{word} + "' is not a number");
	return *value;
}

bool takes_value(std::string_view feature) noexcept
{
	return feature == "low_water_mark" || feature == "no_space_timeout" || feature == "merge_rate";
}

std::string_view letters(Persistence persistence) noexcept
{
	switch (persistence) {
	case Persistence::persistent: return "P";
	case Persistence::overflow: return "PO";
	case Persistence::transient: return "N";
	}
	return "P";
}

Snapshot parse_snapshot(std::string_view params, bool merge)
{
	const std::vector<std::string> words = split_words(params);
	if (words.size() < 4)
		malformed("table", params, "a snapshot needs origin, COW device, P, PO or N, and chunk size");
	Snapshot snapshot;
	snapshot.merge = merge;
	snapshot.origin = words[0];
	snapshot.cow = words[1];
	if (words[2] == "P" || words[2] == "p")
		snapshot.persistence = Persistence::persistent;
	else if (words[2] == "N" || words[2] == "n")
		snapshot.persistence = Persistence::transient;
	else if (words[2].size() == 2 && (words[2][0] | 0x20) == 'p' && (words[2][1] | 0x20) == 'o')
		snapshot.persistence = Persistence::overflow;
	else
		malformed("table", params, "'" + words[2] + "' is none of P, PO and N");
	snapshot.chunk = Sectors{number("table", params, words[3])};
	if (words.size() == 4)
		return snapshot;

	const std::uint64_t count = number("table", params, words[4]);
	if (count != words.size() - 5)
		malformed("table", params, "the number of features is wrong");
	for (std::size_t i = 5; i < words.size(); i++) {
		Feature feature{words[i], std::nullopt};
		if (takes_value(feature.name)) {
			if (++i == words.size())
				malformed("table", params, feature.name + " needs a value");
			feature.value = number("table", params, words[i]);
		}
		snapshot.features.push_back(std::move(feature));
	}
	return snapshot;
}

std::string format_snapshot(const Snapshot& snapshot)
{
	std::string text = snapshot.origin + " " + snapshot.cow + " " +
			   std::string{letters(snapshot.persistence)} + " " + std::to_string(snapshot.chunk.count);
	std::size_t count = 0;
	std::string words;
	for (const Feature& feature : snapshot.features) {
		words += " " + feature.name;
		count++;
		if (feature.value) {
			words += " " + std::to_string(*feature.value);
			count++;
		}
	}
	if (count > 0)
		text += " " + std::to_string(count) + words;
	return text;
}

} // namespace

std::string DeviceNumber::str() const { return std::to_string(major) + ":" + std::to_string(minor); }

std::optional<DeviceNumber> parse_device_number(std::string_view text) noexcept
{
	const auto colon = text.find(':');
	if (colon == std::string_view::npos)
		return std::nullopt;
	const auto major = parse_number(text.substr(0, colon)), minor = parse_number(text.substr(colon + 1));
	constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
	if (!major || !minor || *major > most || *minor > most)
		return std::nullopt;
	return DeviceNumber{static_cast<std::uint32_t>(*major), static_cast<std::uint32_t>(*minor)};
}

std::string type_of(const Target& target)
{
	if (std::holds_alternative<SnapshotOrigin>(target.what))
		return "snapshot-origin";
	if (const auto* snapshot = std::get_if<Snapshot>(&target.what))
		return snapshot->merge ? "snapshot-merge" : "snapshot";
	if (std::holds_alternative<Linear>(target.what))
		return "linear";
	return std::get<OtherTarget>(target.what).type;
}

std::string params_of(const Target& target)
{
	if (const auto* origin = std::get_if<SnapshotOrigin>(&target.what))
		return origin->origin;
	if (const auto* snapshot = std::get_if<Snapshot>(&target.what))
		return format_snapshot(*snapshot);
	if (const auto* linear = std::get_if<Linear>(&target.what))
		return linear->device + " " + std::to_string(linear->offset.count);
	return std::get<OtherTarget>(target.what).params;
}

std::string format_target(const Target& target)
{
	const std::string params = params_of(target);
	return std::to_string(target.start.count) + " " + std::to_string(target.length.count) + " " +
	       type_of(target) + (params.empty() ? "" : " ") + params;
}

Target make_target(Sectors start, Sectors length, std::string_view type, std::string_view params)
{
	Target target{start, length, OtherTarget{std::string{type}, std::string{params}}};
	const std::vector<std::string> words = split_words(params);
	if (type == "snapshot-origin") {
		if (words.size() != 1)
			malformed("table", params, "snapshot-origin has one device");
		target.what = SnapshotOrigin{words[0]};
	} else if (type == "snapshot" || type == "snapshot-merge") {
		target.what = parse_snapshot(params, type == "snapshot-merge");
	} else if (type == "linear") {
		if (words.size() != 2)
			malformed("table", params, "linear has a device and an offset");
		target.what = Linear{words[0], Sectors{number("table", params, words[1])}};
	}
	return target;
}

Target parse_target(std::string_view line)
{
	std::string_view rest = trim(line);
	std::string_view word[3];
	for (auto& part : word) {
		const auto end = std::min(rest.find(' '), rest.size());
		part = rest.substr(0, end);
		rest = trim(rest.substr(end));
	}
	if (word[2].empty())
		malformed("table", line, "a line needs start, length and type");
	const Sectors start{number("table", line, word[0])}, length{number("table", line, word[1])};
	if (length.count == 0 || start.count + length.count < start.count)
		malformed("table", line, "the length is impossible");
	return make_target(start, length, word[2], rest);
}

std::string format_table(const Table& table)
{
	std::string text;
	for (const Target& target : table)
		text += format_target(target) + "\n";
	return text;
}

Table parse_table(std::string_view text)
{
	Table table;
	while (!text.empty()) {
		const auto end = std::min(text.find('\n'), text.size());
		if (!trim(text.substr(0, end)).empty())
			table.push_back(parse_target(text.substr(0, end)));
		text.remove_prefix(std::min(end + 1, text.size()));
	}
	return table;
}

Sectors length_of(const Table& table) noexcept
{
	return table.empty() ? Sectors{} : table.back().start + table.back().length;
}

SnapshotStatus parse_snapshot_status(std::string_view text)
{
	text = trim(text);
	if (text == "Invalid")
		return StatusWord::invalid;
	if (text == "Merge failed")
		return StatusWord::merge_failed;
	if (text == "Overflow")
		return StatusWord::overflow;
	if (text == "Unknown")
		return StatusWord::unknown;
	const auto slash = text.find('/');
	const auto blank = text.find(' ');
	if (slash == std::string_view::npos || blank == std::string_view::npos || blank < slash)
		malformed("status", text, "it is not a snapshot's");
	return UsageStatus{Sectors{number("status", text, text.substr(0, slash))},
			   Sectors{number("status", text, text.substr(slash + 1, blank - slash - 1))},
			   Sectors{number("status", text, text.substr(blank + 1))}};
}

std::string format_snapshot_status(const SnapshotStatus& status)
{
	if (const auto* usage = std::get_if<UsageStatus>(&status))
		return std::to_string(usage->allocated.count) + "/" + std::to_string(usage->total.count) + " " +
		       std::to_string(usage->metadata.count);
	switch (std::get<StatusWord>(status)) {
	case StatusWord::invalid: return "Invalid";
	case StatusWord::merge_failed: return "Merge failed";
	case StatusWord::overflow: return "Overflow";
	case StatusWord::unknown: break;
	}
	return "Unknown";
}

} // namespace snapctl::dm
