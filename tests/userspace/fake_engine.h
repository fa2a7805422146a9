// SPDX-License-Identifier: GPL-2.0-or-later
//
// An engine that does nothing but remember what it was asked to do, and one of
// each struct with every field set.
#pragma once

#include "base/error.h"
#include "engine/engine.h"

namespace snapctl::test {

inline constexpr std::uint64_t many = ~std::uint64_t{0};

inline std::chrono::system_clock::time_point moment(std::int64_t us)
{
	return std::chrono::system_clock::time_point{std::chrono::microseconds{us}};
}

inline engine::OriginState full_origin()
{
	return {.name = "vol",
		.device = "/dev/vg/data",
		.device_node = "/dev/mapper/vol",
		.major_minor = "253:1",
		.size = Bytes{many},
		.taken_over = true,
		.suspended = true,
		.snapshots = {"monday", "tuesday"}};
}

inline engine::SnapshotState full_snapshot()
{
	engine::SnapshotState s;
	s.name = "monday";
	s.origin = "vol";
	s.set = "week";
	s.device_node = "/dev/mapper/monday";
	s.major_minor = "253:2";
	s.health = engine::Health::merging;
	s.size = Bytes{1ull << 40};
	s.chunk = Bytes{4096};
	s.transient = true;
	s.read_only = true;
	s.on_full = engine::OnFull::invalidate;
	s.space = {engine::SpaceKind::volume_group, "vg0"};
	s.cow_device = "/dev/vg0/cow \"quoted\" \xc3\xa4";
	s.usage = engine::Usage{Bytes{1}, Bytes{2}, Bytes{3}};
	s.merge = engine::MergeState{Bytes{10}, Bytes{20}, Bytes{30}, true, std::chrono::seconds{7}};
	s.created = moment(1'700'000'000'123'456);
	return s;
}

inline engine::Event full_event()
{
	return {.kind = engine::EventKind::low_water,
		.when = moment(1'700'000'001'000'001),
		.device = "monday",
		.origin = "vol",
		.major_minor = "253:2",
		.uuid = "SNAPCTL-abc",
		.usage = engine::Usage{Bytes{1}, Bytes{2}, Bytes{3}},
		.fill_rate = Bytes{1 << 20},
		.text = "nearly full"};
}

inline std::vector<engine::Change> all_changes()
{
	engine::Create create;
	create.members = {{"vol", "monday"}, {"log", "monday-log"}};
	create.set = "week";
	create.size = Bytes{10ull << 30};
	create.space = {engine::SpaceKind::file, "/srv/cow"};
	create.chunk = Bytes{65536};
	create.transient = true;
	create.read_only = true;
	create.on_full = engine::OnFull::overflow;
	engine::Create plain;
	plain.members = {{"vol", "monday"}};
	return {engine::OriginAdd{"vol", "/dev/sda1"},
		engine::OriginRemove{"vol"},
		create,
		plain,
		engine::Remove{"monday"},
		engine::Extend{"monday", Percent{50}},
		engine::Extend{"monday", Bytes{many}},
		engine::Activate{"monday"},
		engine::Deactivate{"monday"},
		engine::Rename{"monday", "friday"},
		engine::Merge{"monday", std::nullopt},
		engine::Merge{"monday", Bytes{1 << 20}},
		engine::MergeControl{"monday", engine::MergeControl::What::pause, Bytes{}},
		engine::MergeControl{"monday", engine::MergeControl::What::rate, Bytes{4096}}};
}

class FakePlan : public engine::Plan {
public:
	explicit FakePlan(engine::Change wish) : change{std::move(wish)} {}
	[[nodiscard]] const std::vector<engine::Step>& steps() const override { return steps_; }
	engine::Change change;

private:
	std::vector<engine::Step> steps_{{"first this"}, {"then that"}};
};

class FakeEngine : public engine::Engine {
public:
	std::vector<engine::Change> planned, applied;
	std::vector<engine::OriginState> origin_states{full_origin()};
	std::vector<engine::SnapshotState> snapshot_states{full_snapshot()};
	bool refuses = false;

	std::vector<engine::OriginState> origins() override { return origin_states; }
	std::vector<engine::SnapshotState> snapshots() override { return snapshot_states; }
	std::vector<std::string> table(const std::string& name) override { return {name + ": 0 8 linear"}; }
	std::vector<engine::Finding> doctor() override
	{
		return {{engine::Finding::Level::hint, "it is late", "sleep"}};
	}
	std::vector<engine::Counters> counters() override
	{
		return {{"monday", {{"copies", 5}, {"copied_bytes", 81920}, {"exceptions", 4}}, {1, 0, 2}}};
	}
	std::unique_ptr<engine::Plan> plan(const engine::Change& change) override
	{
		if (refuses)
			throw Error(Failure::busy, "create snapshot", "monday", "not today", "Try tomorrow.");
		planned.push_back(change);
		return std::make_unique<FakePlan>(change);
	}
	engine::Outcome apply(engine::Plan& plan) override
	{
		applied.push_back(dynamic_cast<FakePlan&>(plan).change);
		return {.changed = true, .text = "done", .stood_still = std::chrono::microseconds{1500}};
	}
	std::vector<engine::Finding> activate_all() override
	{
		activations++;
		return {{engine::Finding::Level::good, "monday is active", ""}};
	}
	engine::ActivationPlan plan_activate_all() override
	{
		return {{{"load it"}}, {{engine::Finding::Level::problem, "tuesday is lost", "remove it"}}};
	}
	int activations = 0;
	void on_event(std::function<void(const engine::Event&)>) override {}
	std::vector<int> descriptors() override { return {}; }
	void poll() override {}
	std::optional<std::chrono::milliseconds> next_poll() override { return std::nullopt; }
};

} // namespace snapctl::test
