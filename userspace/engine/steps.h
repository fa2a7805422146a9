// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a plan is made of, and the one executor that takes the steps and undoes
// them. A step is data, so that the journal can hold it and another process
// can undo it.
//
// Each step may be repeated, and undone when it was not or only half done: that
// is what a kill leaves. The steps up to Journal::commit are undone when one
// fails; from there on the plan is only finished.
//
// While a device is suspended nothing but device-mapper is spoken to. So all
// suspending is done within one step, section(), prepared before and left with
// everything resumed; and tables that replace live ones are loaded right before it.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dm/mapper.h"
#include "engine/host.h"
#include "engine/registry.h"

namespace snapctl::engine {

struct PlannedStep {
	JournalStep step;
	std::string text; // for a person
};

// One device in a section.
struct Turn {
	enum class What : char {
		suspend = 'S', // with the file system frozen
		hold = 'H',    // suspend, but leave the file system alone: only a table changes
		start = 'F',   // a new device's first resume
		swap = 'W',    // resume with the table that was loaded
		resume = 'R',
	} what;
	std::string name;
};

// What each does is its name. `value` is a name under which {value} stands for
// the device's number in the tables of later steps.
namespace step {
PlannedStep create_file(const std::string& path, Bytes size);
PlannedStep remove_file(const std::string& path);
PlannedStep attach_loop(const std::string& path, const std::string& value);
PlannedStep detach_loop(const std::string& path);
PlannedStep create_volume(const std::string& volume, Bytes size);
PlannedStep remove_volume(const std::string& volume);
PlannedStep activate_volume(const std::string& volume);
PlannedStep deactivate_volume(const std::string& volume);
PlannedStep grow_file(const std::string& path, Bytes size);
PlannedStep resize_loop(const std::string& path);
PlannedStep extend_volume(const std::string& volume, Bytes size);
PlannedStep message(const std::string& name, const std::string& text);
// The same, where it does not matter much whether it arrives.
PlannedStep hint(const std::string& name, const std::string& text);
PlannedStep find_device(const std::string& path, const std::string& value);
PlannedStep wipe(const std::string& path, Bytes bytes);
// Nothing happens where it has no store of a snapshot on it, or is not there.
PlannedStep forget_store(const std::string& path);
PlannedStep create_device(const std::string& name, const DmUuid& uuid, dm::Visibility visibility, const std::string& value);
// `old` is what is live in it now, "" in a new device. A table may be "@NAME":
// the live table of that device, read at the time; so no key of a dm-crypt
// device gets into the journal.
PlannedStep load(const std::string& name, const std::string& table, bool read_only, const std::string& old,
		 bool old_read_only);
PlannedStep start_device(const std::string& name, dm::Visibility visibility);
// decisive: when the swap has happened the plan is past the point of return,
// although the journal does not say so yet. Must be the step before the commit.
PlannedStep section(const std::vector<Turn>& turns, bool decisive = false);
PlannedStep remove_device(const std::string& name, const DmUuid& uuid);
PlannedStep rename_device(const std::string& name, const std::string& to, const DmUuid& uuid);
PlannedStep put(const OriginRow& row, const std::optional<OriginRow>& old);
PlannedStep put(const SnapshotRow& row, const std::optional<SnapshotRow>& old);
PlannedStep drop(const OriginRow& row);
PlannedStep drop(const SnapshotRow& row);
} // namespace step

// A table without the keys that it may have in it.
[[nodiscard]] std::string without_keys(const dm::Table& table);

class Executor {
public:
	Executor(Registry& registry, dm::Mapper& mapper, Host& host)
		: registry_{registry}, mapper_{mapper}, host_{host} {}

	// How long the devices of the sections stood still, if there was one.
	std::optional<std::chrono::microseconds> run(Journal journal);

	// For steps that leave nothing half-made wherever they stop: growing space.
	// There, waiting for the journal's disk is what would cost a snapshot.
	void run_unjournaled(const std::vector<PlannedStep>& steps);

	// At start, before anything else is touched: whatever of ours is suspended goes on.
	static void thaw(dm::Mapper& mapper);
	// Then: finishes or undoes what the journal has. Says what was done. What
	// cannot be finished stays in the journal.
	std::vector<std::string> recover();

private:
	using Section = std::vector<std::pair<Turn::What, DmName>>;

	void take(const JournalStep& step);
	void undo(const JournalStep& step);
	void undo_all(const Journal& journal, std::size_t count);
	void undo_loads(const Journal& journal, std::size_t section);
	void forward(Journal& journal, std::size_t from);
	void run_section(const Fields& args);
	void forget_store(const std::string& device);
	void undo_section(const Section& section);
	[[nodiscard]] bool is_past(const Journal& journal, std::size_t begun);
	[[nodiscard]] bool is_from_another_boot(const Journal& journal);
	[[nodiscard]] bool has_happened(const Journal& journal, std::size_t section);
	[[nodiscard]] std::string resolve(const std::string& text) const;
	[[nodiscard]] dm::Table table_of(const std::string& text);

	Registry& registry_;
	dm::Mapper& mapper_;
	Host& host_;
	std::map<std::string, std::string> values_;
	std::optional<std::chrono::microseconds> stood_still_;
};

} // namespace snapctl::engine
