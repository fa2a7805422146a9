// SPDX-License-Identifier: GPL-2.0-or-later
//
// From a wish to the steps, or to a refusal with its reason. Looks at the
// registry, the kernel and the machine, and changes none of them.
#pragma once

#include "base/config.h"
#include "dm/mapper.h"
#include "engine/engine.h"
#include "engine/host.h"
#include "engine/registry.h"
#include "engine/steps.h"

namespace snapctl::engine {

struct Draft {
	std::string what;    // "create monday"
	std::vector<PlannedStep> steps;
	std::size_t commit = 0; // see Journal
	Outcome outcome;
	// What is told to those who watch when it is done.
	std::vector<std::pair<EventKind, std::string>> events; // the device

	void add(PlannedStep step) { steps.push_back(std::move(step)); }
	// From the next step on there is no way back.
	void no_return() { commit = steps.size(); }
};

class Planner {
public:
	Planner(const Config& config, Registry& registry, dm::Mapper& mapper, Host& host)
		: config_{config}, registry_{registry}, mapper_{mapper}, host_{host} {}

	[[nodiscard]] Draft plan(const Change& change);

	// The origin's own table again, and the space given back.
	[[nodiscard]] Draft finish_merge(const SnapshotRow& row);
	// An origin with its snapshots after a reboot. What cannot come up is told.
	[[nodiscard]] Draft activate(const OriginRow& row, std::vector<Finding>& problems);
	// A snapshot's space grows to this size; nothing else.
	[[nodiscard]] std::vector<PlannedStep> grow(const SnapshotRow& row, Bytes size);

	// ---- what others have to know, too --------------------------------------------
	[[nodiscard]] bool module_is_ours();
	[[nodiscard]] Bytes space_size(const SnapshotRow& row);
	[[nodiscard]] Bytes space_unit(const SnapshotRow& row);
	// What it grows by, and how much is free there; none: others see to that.
	[[nodiscard]] std::pair<Bytes, std::optional<Bytes>> space_source(const SnapshotRow& row);
	// The path of the block device; "" when the file is not attached.
	[[nodiscard]] std::string cow_device(const SnapshotRow& row);
	// The head has a table of ours.
	[[nodiscard]] bool is_up(const OriginRow& row);
	[[nodiscard]] bool is_live(const SnapshotRow& row);
	// Somebody else gave the head another table since it had ours: what is written to it is lost to
	// all its snapshots.
	[[nodiscard]] bool is_passed_by(const OriginRow& row);

private:
	Draft plan_(const OriginAdd& wish);
	Draft plan_(const OriginRemove& wish);
	Draft plan_(const Create& wish);
	// Of it: where its copies are to go, before there is such a place.
	struct NewSpace {
		Bytes block{512};     // of the devices below
		Bytes unit{1 << 20};  // it comes in multiples of this
		Bytes size{0};        // of a device that is used whole
	};
	static void check_members(const Create& wish);
	NewSpace choose_space(const OriginRow& origin, SnapshotRow& row);
	Bytes choose_chunk(const Create& wish, const NewSpace& space, DeviceNumber head);
	static Bytes choose_size(const Create& wish, const NewSpace& space, const OriginRow& origin, const SnapshotRow& row);
	void check_room(const Space& space, Bytes needed);
	Draft plan_(const Remove& wish);
	Draft plan_(const Extend& wish);
	Draft plan_(const Activate& wish);
	Draft plan_(const Deactivate& wish);
	Draft plan_(const Rename& wish);
	Draft plan_(const Merge& wish);
	Draft plan_(const MergeControl& wish);

	// Of an activation.
	struct Coming {
		std::vector<SnapshotRow> snapshots;
		std::optional<SnapshotRow> merging;
		bool read_only = false; // their origin, since others are missing
	};
	std::string activate_base(const OriginRow& row, Draft& draft);
	Coming choose_coming(const OriginRow& row, Draft& draft, std::vector<Finding>& problems);

	[[nodiscard]] OriginRow need_origin(const char* context, const std::string& name);
	[[nodiscard]] SnapshotRow need_snapshot(const char* context, const std::string& name);
	[[nodiscard]] std::vector<SnapshotRow> snapshots_of(const std::string& origin);
	// A device that keeps its name when it becomes an origin may give it that name too.
	void check_free_name(const char* context, const std::string& name, const std::string& kept = {});
	[[nodiscard]] std::string base_of(const OriginRow& row); // "major:minor"
	[[nodiscard]] bool holds_root(const OriginRow& origin); // whose head is there
	[[nodiscard]] bool is_in_use(const OriginRow& origin);
	[[nodiscard]] bool is_merging(const OriginRow& origin);
	static void check_not_lost(const char* context, const SnapshotRow& row);
	void check_no_merge(const char* context, const SnapshotRow& row);
	[[nodiscard]] bool merge_has_failed(const OriginRow& origin);
	// A suspend that flushes ends all waiting for space, and with it the snapshot.
	void check_nothing_waits(const char* context, const std::string& origin, const std::string& but_for);
	// One whose snapshots' space lies on another is still written by that one's suspend.
	[[nodiscard]] std::vector<std::string> in_order_of_suspension(const std::vector<std::string>& heads);
	// What the space of all snapshots of an origin lies on.
	[[nodiscard]] std::set<DeviceNumber> stack_of_spaces(const OriginRow& origin);
	Draft retry_merge(const SnapshotRow& row, const OriginRow& origin);
	[[nodiscard]] bool needs_read_only(const std::string& origin, const std::string& but_for);

	[[nodiscard]] std::string origin_table(const OriginRow& row, const std::string& base);
	[[nodiscard]] std::string snapshot_table(const SnapshotRow& row, const OriginRow& origin, const std::string& base,
						 const std::string& cow, Bytes total, bool merge);
	[[nodiscard]] std::string cow_number(const SnapshotRow& row);
	// Why the store of a persistent snapshot cannot be used now, and perhaps never again.
	struct SpaceFault {
		std::string what;
		bool for_good;
	};
	[[nodiscard]] std::optional<SpaceFault> fault_of_space(const SnapshotRow& row);
	void check_not_on(const char* context, const OriginRow& origin, const std::set<DeviceNumber>& stack,
			  const std::string& what);
	// Makes the space, so that {value} is its device.
	void add_space(Draft& draft, const SnapshotRow& row, Bytes size, const std::string& value);
	void attach_space(Draft& draft, const SnapshotRow& row, const std::string& value);
	void detach_space(Draft& draft, const SnapshotRow& row);
	void drop_space(Draft& draft, const SnapshotRow& row);
	// The head gets this table while it stands still.
	void swap_head(Draft& draft, const OriginRow& row, const std::string& table, bool read_only);

	const Config& config_;
	Registry& registry_;
	dm::Mapper& mapper_;
	Host& host_;
};

} // namespace snapctl::engine
