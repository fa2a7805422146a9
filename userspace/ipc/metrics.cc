// SPDX-License-Identifier: GPL-2.0-or-later
#include "ipc/metrics.h"

#include <functional>
#include <map>
#include <string_view>

#include "ipc/names.h"

namespace snapctl::ipc {

namespace {

using namespace engine;

// The value of a label, between its quotes.
std::string quoted(std::string_view text)
{
	std::string out = "\"";
	for (const char c : text) {
		if (c == '\\' || c == '"')
			out += '\\';
		if (c == '\n')
			out += "\\n";
		else
			out += c;
	}
	return out + '"';
}

class Text {
public:
	void family(const std::string& name, const char* type, const char* unit, const char* help)
	{
		name_ = "snapctl_" + name;
		out_ += "# TYPE " + name_ + ' ' + type + '\n';
		if (*unit)
			out_ += "# UNIT " + name_ + ' ' + unit + '\n';
		if (*help)
			out_ += "# HELP " + name_ + ' ' + help + '\n';
	}
	void sample(const std::string& suffix, const std::string& labels, const std::string& value)
	{
		out_ += name_ + suffix + (labels.empty() ? "" : '{' + labels + '}') + ' ' + value + '\n';
	}
	void sample(const std::string& suffix, const std::string& labels, std::uint64_t value)
	{
		sample(suffix, labels, std::to_string(value));
	}
	std::string end() { return std::move(out_) + "# EOF\n"; }

private:
	std::string out_, name_;
};

std::string labels_of(const SnapshotState& s)
{
	return "snapshot=" + quoted(s.name) + ",origin=" + quoted(s.origin);
}

struct Gauge {
	const char* name;
	const char* unit;
	const char* help;
	std::function<std::optional<std::uint64_t>(const SnapshotState&)> value;
};

template <class Pick> auto of_usage(Pick pick)
{
	return [pick](const SnapshotState& s) -> std::optional<std::uint64_t> {
		return s.usage ? std::optional{pick(*s.usage).count} : std::nullopt;
	};
}

template <class Pick> auto of_merge(Pick pick)
{
	return [pick](const SnapshotState& s) -> std::optional<std::uint64_t> {
		return s.merge ? std::optional{pick(*s.merge).count} : std::nullopt;
	};
}

void write_snapshots(Text& text, const std::vector<SnapshotState>& snapshots)
{
	const Gauge gauges[] = {
		{"snapshot_size_bytes", "bytes", "Size of the origin that the snapshot shows.",
		 [](const SnapshotState& s) { return std::optional{s.size.count}; }},
		{"snapshot_allocated_bytes", "bytes", "Used on the COW device, metadata included.",
		 of_usage([](const Usage& u) { return u.allocated; })},
		{"snapshot_total_bytes", "bytes", "Size of the COW device.",
		 of_usage([](const Usage& u) { return u.total; })},
		{"snapshot_metadata_bytes", "bytes", "Used for metadata.",
		 of_usage([](const Usage& u) { return u.metadata; })},
		{"snapshot_merge_left_bytes", "bytes", "Still to be merged.",
		 of_merge([](const MergeState& m) { return m.left; })},
		{"snapshot_merge_rate_bytes", "bytes", "Merged a second, lately.",
		 of_merge([](const MergeState& m) { return m.rate; })},
		{"snapshot_created_seconds", "seconds", "When it was created, since the epoch.",
		 [](const SnapshotState& s) {
			 const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
				 s.created.time_since_epoch());
			 return std::optional{static_cast<std::uint64_t>(seconds.count())};
		 }},
	};
	for (const auto& gauge : gauges) {
		text.family(gauge.name, "gauge", gauge.unit, gauge.help);
		for (const auto& snapshot : snapshots)
			if (const auto value = gauge.value(snapshot))
				text.sample("", labels_of(snapshot), *value);
	}
	text.family("snapshot_health", "stateset", "", "Which state the snapshot is in.");
	for (const auto& snapshot : snapshots)
		for (const auto& [health, name] : names_of(Health{}))
			text.sample("", labels_of(snapshot) + ",snapctl_snapshot_health=" + quoted(name),
				    snapshot.health == health ? 1 : 0);
}

// How many there are now; all else that the kernel counts only rises.
bool is_gauge(const std::string& name) { return name == "exceptions" || name == "waiting"; }

// Kernel counters, by name: a family must be in one piece.
void write_counters(Text& text, const std::vector<Counters>& counters)
{
	std::map<std::string, std::vector<std::pair<std::string, std::uint64_t>>> families;
	for (const auto& each : counters)
		for (const auto& [name, value] : each.values)
			families[name].emplace_back("snapshot=" + quoted(each.snapshot), value);
	for (const auto& [name, samples] : families) {
		const bool gauge = is_gauge(name);
		text.family("kernel_" + name, gauge ? "gauge" : "counter", "", "");
		for (const auto& [labels, value] : samples)
			text.sample(gauge ? "" : "_total", labels, value);
	}

	text.family("first_write_latency_seconds", "histogram", "seconds",
		    "How long a first write to a chunk took.");
	for (const auto& each : counters) {
		if (each.first_write_latency.empty())
			continue;
		const std::string snapshot = "snapshot=" + quoted(each.snapshot);
		std::uint64_t sum = 0, limit_us = 1;
		for (const std::uint64_t count : each.first_write_latency) {
			sum += count;
			// In decimal without loss: microseconds with six places.
			std::string fraction = std::to_string(limit_us % 1'000'000);
			fraction.insert(0, 6 - fraction.size(), '0');
			text.sample("_bucket",
				    snapshot + ",le=" + quoted(std::to_string(limit_us / 1'000'000) + '.' + fraction),
				    sum);
			limit_us *= 2;
		}
		text.sample("_bucket", snapshot + ",le=\"+Inf\"", sum);
	}
}

} // namespace

std::string openmetrics(const std::vector<OriginState>& origins,
			const std::vector<SnapshotState>& snapshots,
			const std::vector<Counters>& counters, const std::string& version)
{
	Text text;
	text.family("build", "info", "", "Which snapctl this is.");
	text.sample("_info", "version=" + quoted(version), 1);
	text.family("origin_size_bytes", "gauge", "bytes", "Size of the origin.");
	for (const auto& origin : origins)
		text.sample("", "origin=" + quoted(origin.name), origin.size.count);
	text.family("origin_suspended", "gauge", "", "1 while its I/O is held back.");
	for (const auto& origin : origins)
		text.sample("", "origin=" + quoted(origin.name), origin.suspended ? 1 : 0);
	text.family("origin_snapshots", "gauge", "", "How many snapshots it has.");
	for (const auto& origin : origins)
		text.sample("", "origin=" + quoted(origin.name), origin.snapshots.size());
	write_snapshots(text, snapshots);
	write_counters(text, counters);
	return text.end();
}

} // namespace snapctl::ipc
