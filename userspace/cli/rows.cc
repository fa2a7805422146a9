// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/rows.h"

#include "base/text.h"
#include "ipc/names.h"

namespace snapctl::cli {

namespace {

using namespace engine;
using ipc::name_of;

template <class T> Cell maybe(const std::optional<T>& value)
{
	return value ? Cell{*value} : Cell{Nothing{}};
}

template <class E> Cell word(E value) { return std::string{name_of(value)}; }

template <class Row, class Pick> auto of_usage(Pick pick)
{
	return [pick](const Row& row) { return row.usage ? Cell{pick(*row.usage)} : Cell{Nothing{}}; };
}

template <class Pick> auto of_merge(Pick pick)
{
	return [pick](const SnapshotState& s) { return s.merge ? Cell{pick(*s.merge)} : Cell{Nothing{}}; };
}

} // namespace

const Columns<OriginState>& origin_columns()
{
	using Row = OriginState;
	static const Columns<Row> columns{
		{"name", "NAME", [](const Row& r) { return r.name; }},
		{"size_bytes", "SIZE", [](const Row& r) { return r.size; }},
		{"device", "ON", [](const Row& r) { return r.device; }},
		{"device_node", "DEVICE", [](const Row& r) { return r.device_node; }},
		{"major_minor", "", [](const Row& r) { return r.major_minor; }},
		{"taken_over", "TAKEN OVER", [](const Row& r) { return r.taken_over; }},
		{"suspended", "", [](const Row& r) { return r.suspended; }},
		{"snapshots", "SNAPSHOTS", [](const Row& r) { return r.snapshots; }},
	};
	return columns;
}

const Columns<SnapshotState>& snapshot_columns()
{
	using Row = SnapshotState;
	static const Columns<Row> columns{
		{"name", "NAME", [](const Row& r) { return r.name; }},
		{"origin", "ORIGIN", [](const Row& r) { return r.origin; }},
		{"set", "", [](const Row& r) { return r.set; }},
		{"health", "STATE", [](const Row& r) { return word(r.health); }},
		{"used_percent", "USED",
		 of_usage<Row>([](const Usage& u) { return percent_of(u.allocated, u.total); })},
		{"allocated_bytes", "", of_usage<Row>([](const Usage& u) { return u.allocated; })},
		{"total_bytes", "OF", of_usage<Row>([](const Usage& u) { return u.total; })},
		{"metadata_bytes", "", of_usage<Row>([](const Usage& u) { return u.metadata; })},
		{"size_bytes", "SIZE", [](const Row& r) { return r.size; }},
		{"chunk_bytes", "", [](const Row& r) { return r.chunk; }},
		{"device_node", "DEVICE", [](const Row& r) { return r.device_node; }},
		{"major_minor", "", [](const Row& r) { return r.major_minor; }},
		{"transient", "", [](const Row& r) { return r.transient; }},
		{"read_only", "", [](const Row& r) { return r.read_only; }},
		{"merge_wanted", "", [](const Row& r) { return r.merge_wanted; }},
		{"on_full", "", [](const Row& r) { return word(r.on_full); }},
		{"space_kind", "", [](const Row& r) { return word(r.space.kind); }},
		{"space_where", "", [](const Row& r) { return r.space.where; }},
		{"cow_device", "", [](const Row& r) { return r.cow_device; }},
		{"merge_left_bytes", "", of_merge([](const MergeState& m) { return m.left; })},
		{"merge_at_start_bytes", "", of_merge([](const MergeState& m) { return m.at_start; })},
		{"merge_rate_bytes", "", of_merge([](const MergeState& m) { return m.rate; })},
		{"merge_paused", "", of_merge([](const MergeState& m) { return m.paused; })},
		{"merge_time_left_seconds", "", [](const Row& r) { return r.merge ? maybe(r.merge->time_left) : Nothing{}; }},
		{"created_us", "CREATED", [](const Row& r) { return r.created; }},
	};
	return columns;
}

const Columns<Outcome>& outcome_columns()
{
	using Row = Outcome;
	static const Columns<Row> columns{
		{"changed", "", [](const Row& r) { return r.changed; }},
		{"text", "", [](const Row& r) { return r.text; }},
		{"stood_still_us", "", [](const Row& r) { return maybe(r.stood_still); }},
	};
	return columns;
}

const Columns<Step>& step_columns()
{
	static const Columns<Step> columns{{"text", "", [](const Step& s) { return s.text; }}};
	return columns;
}

const Columns<Event>& event_columns()
{
	using Row = Event;
	static const Columns<Row> columns{
		{"when_us", "WHEN", [](const Row& r) { return r.when; }},
		{"kind", "WHAT", [](const Row& r) { return word(r.kind); }},
		{"device", "DEVICE", [](const Row& r) { return r.device; }},
		{"origin", "", [](const Row& r) { return r.origin; }},
		{"major_minor", "", [](const Row& r) { return r.major_minor; }},
		{"uuid", "", [](const Row& r) { return r.uuid; }},
		{"allocated_bytes", "", of_usage<Row>([](const Usage& u) { return u.allocated; })},
		{"total_bytes", "", of_usage<Row>([](const Usage& u) { return u.total; })},
		{"metadata_bytes", "", of_usage<Row>([](const Usage& u) { return u.metadata; })},
		{"fill_rate_bytes", "", [](const Row& r) { return maybe(r.fill_rate); }},
		{"text", "TEXT", [](const Row& r) { return r.text; }},
	};
	return columns;
}

const Columns<Finding>& finding_columns()
{
	using Row = Finding;
	static const Columns<Row> columns{
		{"level", "", [](const Row& r) { return word(r.level); }},
		{"what", "", [](const Row& r) { return r.what; }},
		{"advice", "", [](const Row& r) { return r.advice; }},
	};
	return columns;
}

} // namespace snapctl::cli
