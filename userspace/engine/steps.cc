// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/steps.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "engine/names.h"
#include "store/header.h"

namespace snapctl::engine {

namespace {

PlannedStep make(std::string code, Fields args, std::string text)
{
	return {{std::move(code), std::move(args), JournalStep::State::planned}, std::move(text)};
}

std::string flag(bool value) { return value ? "1" : "0"; }

dm::Visibility visibility_of(const std::string& field)
{
	return field == "hidden" ? dm::Visibility::hidden : dm::Visibility::shown;
}

std::string field_of(dm::Visibility visibility)
{
	return visibility == dm::Visibility::hidden ? "hidden" : "shown";
}

Bytes bytes_of(const std::string& field) { return Bytes{parse_number(field).value_or(0)}; }

// May the journal be behind what this step did, and that be seen by looking?
bool is_decisive(const JournalStep& step)
{
	return step.code == "remove_device" || (step.code == "section" && step.args.at(0) == "1");
}

// What is gone with a restart of the machine, and what is called by names that may
// mean something else afterwards.
bool is_of_one_boot(const JournalStep& step)
{
	static const std::set<std::string> codes{"create_device", "load", "start_device", "section", "remove_device", "rename_device",
						 "message", "hint", "attach_loop", "detach_loop", "resize_loop", "find_device",
						 "wipe", "forget_store", "activate_volume", "deactivate_volume"};
	return codes.contains(step.code);
}

// Devices under which names appear in dry runs: "{cow of monday}".
std::string braces(const std::string& value) { return "{" + value + "}"; }

} // namespace

std::string without_keys(const dm::Table& table)
{
	dm::Table shown = table;
	for (dm::Target& target : shown) {
		auto* other = std::get_if<dm::OtherTarget>(&target.what);
		if (other == nullptr || other->type != "crypt")
			continue;
		std::vector<std::string> words = split_words(other->params);
		// cipher key iv device offset; a key of the kernel's keyring is only its name.
		if (words.size() > 1 && !words[1].starts_with(":"))
			words[1].assign(words[1].size(), '0');
		other->params = join(words, " ");
	}
	return dm::format_table(shown);
}

namespace step {

PlannedStep create_file(const std::string& path, Bytes size)
{
	return make("create_file", {path, std::to_string(size.count)}, "allocate " + format_bytes(size) + " as " + path);
}
PlannedStep remove_file(const std::string& path) { return make("remove_file", {path}, "remove the file " + path); }

PlannedStep attach_loop(const std::string& path, const std::string& value)
{
	return make("attach_loop", {path, value}, "attach " + path + " to a loop device with direct I/O, " + braces(value));
}
PlannedStep detach_loop(const std::string& path)
{
	return make("detach_loop", {path}, "detach " + path + " from its loop device");
}
PlannedStep create_volume(const std::string& volume, Bytes size)
{
	return make("create_volume", {volume, std::to_string(size.count)}, "create the logical volume " + volume + " of " + format_bytes(size));
}
PlannedStep remove_volume(const std::string& volume)
{
	return make("remove_volume", {volume}, "remove the logical volume " + volume);
}
PlannedStep activate_volume(const std::string& volume)
{
	return make("activate_volume", {volume}, "activate the logical volume " + volume);
}
PlannedStep deactivate_volume(const std::string& volume)
{
	return make("deactivate_volume", {volume}, "deactivate the logical volume " + volume);
}
PlannedStep grow_file(const std::string& path, Bytes size)
{
	return make("grow_file", {path, std::to_string(size.count)}, "allocate more for " + path + ", up to " + format_bytes(size));
}
PlannedStep resize_loop(const std::string& path)
{
	return make("resize_loop", {path}, "tell the loop device of " + path + " its new size");
}
PlannedStep extend_volume(const std::string& volume, Bytes size)
{
	return make("extend_volume", {volume, std::to_string(size.count)}, "extend the logical volume " + volume + " to " + format_bytes(size));
}
PlannedStep message(const std::string& name, const std::string& text)
{
	return make("message", {name, text}, "tell " + name + ": " + text);
}
PlannedStep hint(const std::string& name, const std::string& text)
{
	return make("hint", {name, text}, "tell " + name + ": " + text);
}
PlannedStep find_device(const std::string& path, const std::string& value)
{
	return make("find_device", {path, value}, "use " + path + ", " + braces(value));
}
PlannedStep wipe(const std::string& path, Bytes bytes)
{
	return make("wipe", {path, std::to_string(bytes.count)}, "zero the first " + format_bytes(bytes) + " of " + path);
}

PlannedStep forget_store(const std::string& path)
{
	return make("forget_store", {path}, "forget what " + path + " keeps for it");
}

PlannedStep create_device(const std::string& name, const DmUuid& uuid, dm::Visibility visibility, const std::string& value)
{
	return make("create_device", {name, uuid.str(), field_of(visibility), value},
		    "create the device " + name + ", " + braces(value));
}

PlannedStep load(const std::string& name, const std::string& table, bool read_only, const std::string& old, bool old_read_only)
{
	std::string shown = table.starts_with("@") ? "the table of " + table.substr(1) : std::string{trim(table)};
	std::replace(shown.begin(), shown.end(), '\n', ';');
	return make("load", {name, table, flag(read_only), old, flag(old_read_only)},
		    "load " + shown + (read_only ? " read-only" : "") + " into " + name);
}

PlannedStep start_device(const std::string& name, dm::Visibility visibility)
{
	return make("start_device", {name, field_of(visibility)}, "start " + name);
}

PlannedStep section(const std::vector<Turn>& turns, bool decisive)
{
	Fields args{flag(decisive)};
	std::vector<std::string> words;
	for (const Turn& turn : turns) {
		args.push_back(static_cast<char>(turn.what) + turn.name);
		switch (turn.what) {
		case Turn::What::suspend: words.push_back("suspend " + turn.name); break;
		case Turn::What::hold: words.push_back("suspend " + turn.name + " without its file system"); break;
		case Turn::What::start: words.push_back("start " + turn.name); break;
		case Turn::What::swap: words.push_back("resume " + turn.name + " with its new table"); break;
		case Turn::What::resume: words.push_back("resume " + turn.name); break;
		}
	}
	return make("section", std::move(args), join(words, ", "));
}

PlannedStep remove_device(const std::string& name, const DmUuid& uuid)
{
	return make("remove_device", {name, uuid.str()}, "remove the device " + name);
}
PlannedStep rename_device(const std::string& name, const std::string& to, const DmUuid& uuid)
{
	return make("rename_device", {name, to, uuid.str()}, "rename the device " + name + " to " + to);
}
PlannedStep put(const OriginRow& row, const std::optional<OriginRow>& old)
{
	return make("put_origin", {pack(to_fields(row)), old ? pack(to_fields(*old)) : ""}, "note the origin " + row.name);
}
PlannedStep put(const SnapshotRow& row, const std::optional<SnapshotRow>& old)
{
	return make("put_snapshot", {pack(to_fields(row)), old ? pack(to_fields(*old)) : ""}, "note the snapshot " + row.name);
}
PlannedStep drop(const OriginRow& row)
{
	return make("drop_origin", {row.name, pack(to_fields(row))}, "forget the origin " + row.name);
}
PlannedStep drop(const SnapshotRow& row)
{
	return make("drop_snapshot", {row.name, pack(to_fields(row))}, "forget the snapshot " + row.name);
}

} // namespace step

// ---- one step ------------------------------------------------------------------

void Executor::run_unjournaled(const std::vector<PlannedStep>& steps)
{
	values_.clear();
	for (const PlannedStep& planned : steps)
		take(planned.step);
}

std::string Executor::resolve(const std::string& text) const
{
	std::string result;
	std::size_t at = 0;
	for (;;) {
		const auto open = text.find('{', at);
		if (open == std::string::npos)
			return result + text.substr(at);
		const auto close = text.find('}', open);
		if (close == std::string::npos)
			throw Error{Failure::failed, "plan", text, "a brace is left open"};
		const auto value = values_.find(text.substr(open + 1, close - open - 1));
		if (value == values_.end())
			throw Error{Failure::failed, "plan", text, "a device's number is not known"};
		result += text.substr(at, open - at) + value->second;
		at = close + 1;
	}
}

dm::Table Executor::table_of(const std::string& text)
{
	if (text.starts_with("@"))
		return mapper_.table(DmName{text.substr(1)});
	return dm::parse_table(resolve(text));
}

void Executor::take(const JournalStep& step)
{
	const std::string& code = step.code;
	const Fields& args = step.args;
	// A device is ours when it has the uuid that the plan gave it.
	const auto is_ours = [this](const std::string& name, const std::string& uuid) {
		const auto info = mapper_.info(DmName{name});
		return info && info->uuid.str() == uuid;
	};

	if (code == "create_file") {
		host_.create_file(args.at(0), bytes_of(args.at(1)));
	} else if (code == "remove_file") {
		host_.remove_file(args.at(0));
	} else if (code == "attach_loop") {
		values_[args.at(1)] = host_.attach_loop(args.at(0)).str();
	} else if (code == "detach_loop") {
		host_.detach_loop(args.at(0));
	} else if (code == "grow_file") {
		host_.grow_file(args.at(0), bytes_of(args.at(1)));
	} else if (code == "resize_loop") {
		host_.resize_loop(args.at(0));
	} else if (code == "extend_volume") {
		host_.extend_volume(args.at(0), bytes_of(args.at(1)));
	} else if (code == "message") {
		(void)mapper_.message(DmName{args.at(0)}, args.at(1));
	} else if (code == "hint") {
		try {
			(void)mapper_.message(DmName{args.at(0)}, args.at(1));
		} catch (const Error&) {
			// It works without; poll() tells the kernel again.
		}
	} else if (code == "create_volume") {
		host_.create_volume(args.at(0), bytes_of(args.at(1)));
	} else if (code == "remove_volume") {
		host_.remove_volume(args.at(0));
	} else if (code == "deactivate_volume") {
		host_.deactivate_volume(args.at(0));
	} else if (code == "activate_volume") {
		host_.activate_volume(args.at(0));
	} else if (code == "find_device") {
		values_[args.at(1)] = host_.block_device(args.at(0)).number.str();
	} else if (code == "wipe") {
		host_.wipe_start(args.at(0), bytes_of(args.at(1)));
	} else if (code == "forget_store") {
		forget_store(args.at(0));
	} else if (code == "create_device") {
		const DmName name{args.at(0)};
		mapper_.create(name, DmUuid{args.at(1)}, visibility_of(args.at(2)));
		const auto info = mapper_.info(name);
		if (!info)
			throw Error{Failure::failed, "create device", name.str(), "it went away"};
		values_[args.at(3)] = info->number.str();
	} else if (code == "load") {
		mapper_.load(DmName{args.at(0)}, table_of(args.at(1)), args.at(2) == "1");
	} else if (code == "start_device") {
		mapper_.resume(DmName{args.at(0)}, visibility_of(args.at(1)));
	} else if (code == "section") {
		run_section(args);
	} else if (code == "remove_device") {
		if (is_ours(args.at(0), args.at(1)))
			mapper_.remove(DmName{args.at(0)});
	} else if (code == "rename_device") {
		if (is_ours(args.at(0), args.at(2)))
			mapper_.rename(DmName{args.at(0)}, DmName{args.at(1)});
	} else if (code == "put_origin") {
		registry_.put(origin_from_fields(unpack(args.at(0))));
	} else if (code == "put_snapshot") {
		registry_.put(snapshot_from_fields(unpack(args.at(0))));
	} else if (code == "drop_origin") {
		registry_.remove_origin(args.at(0));
	} else if (code == "drop_snapshot") {
		registry_.remove_snapshot(args.at(0));
	} else {
		throw Error{Failure::unsupported, "journal", code, "a step that this version does not know"};
	}
}

void Executor::undo(const JournalStep& step)
{
	const std::string& code = step.code;
	const Fields& args = step.args;

	if (code == "create_file") {
		host_.remove_file(args.at(0));
	} else if (code == "attach_loop") {
		host_.detach_loop(args.at(0));
	} else if (code == "create_volume") {
		host_.remove_volume(args.at(0));
	} else if (code == "wipe") {
		forget_store(args.at(0));
	} else if (code == "create_device") {
		const DmName name{args.at(0)};
		const auto info = mapper_.info(name);
		if (info && info->uuid.str() == args.at(1))
			mapper_.remove(name);
	} else if (code == "load") {
		const DmName name{args.at(0)};
		const std::string& old = args.at(3);
		const auto info = mapper_.info(name);
		if (old.empty() || !info)
			return;
		if (info->inactive_table)
			mapper_.clear(name);
		const dm::Table table = table_of(old);
		const bool read_only = args.at(4) == "1";
		if (mapper_.table(name) != table || info->read_only != read_only) {
			mapper_.load(name, table, read_only);
			if (!info->suspended)
				mapper_.suspend(name, {.no_flush = false, .skip_lockfs = true});
			mapper_.resume(name, dm::Visibility::shown);
		} else if (info->suspended) {
			mapper_.resume(name, dm::Visibility::shown);
		}
	} else if (code == "section") {
		Section section;
		for (std::size_t i = 1; i < args.size(); i++)
			section.emplace_back(static_cast<Turn::What>(args[i].at(0)), DmName{args[i].substr(1)});
		undo_section(section);
	} else if (code == "rename_device") {
		const auto info = mapper_.info(DmName{args.at(1)});
		if (info && info->uuid.str() == args.at(2))
			mapper_.rename(DmName{args.at(1)}, DmName{args.at(0)});
	} else if (code == "put_origin") {
		const OriginRow row = origin_from_fields(unpack(args.at(0)));
		const auto now = registry_.origin(row.name);
		if (now && now->id != row.id)
			return; // another one has its name
		if (!args.at(1).empty())
			registry_.put(origin_from_fields(unpack(args.at(1))));
		else
			registry_.remove_origin(row.name);
	} else if (code == "put_snapshot") {
		const SnapshotRow row = snapshot_from_fields(unpack(args.at(0)));
		const auto now = registry_.snapshot(row.name);
		if (now && now->id != row.id)
			return;
		if (!args.at(1).empty())
			registry_.put(snapshot_from_fields(unpack(args.at(1))));
		else
			registry_.remove_snapshot(row.name);
	} else if (code == "drop_origin") {
		registry_.put(origin_from_fields(unpack(args.at(1))));
	} else if (code == "drop_snapshot") {
		registry_.put(snapshot_from_fields(unpack(args.at(1))));
	}
	// What is left, such as removals, is either not begun or past the commit.
}

void Executor::run_section(const Fields& args)
{
	Section section;
	for (std::size_t i = 1; i < args.size(); i++)
		section.emplace_back(static_cast<Turn::What>(args[i].at(0)), DmName{args[i].substr(1)});
	std::vector<bool> suspended(section.size(), false);
	for (std::size_t i = 0; i < section.size(); i++)
		if (const auto info = mapper_.info(section[i].second))
			suspended[i] = info->suspended;
	// Nothing that was written so far waits for a device that is about to stand still.
	mapper_.settle();

	const auto began = host_.clock();
	try {
		for (std::size_t i = 0; i < section.size(); i++) {
			const auto& [what, name] = section[i];
			switch (what) {
			case Turn::What::suspend:
				if (!suspended[i])
					mapper_.suspend(name, {});
				break;
			case Turn::What::hold:
				// Only the table changes: a write that waits for space is handed back, not ended.
				if (!suspended[i])
					mapper_.suspend(name, {.no_flush = true, .skip_lockfs = true});
				break;
			case Turn::What::start:
			case Turn::What::swap:
			case Turn::What::resume:
				mapper_.resume(name, dm::Visibility::shown);
				break;
			}
		}
	} catch (const std::exception&) {
		undo_section(section);
		throw;
	}
	const auto took = std::chrono::duration_cast<std::chrono::microseconds>(host_.clock() - began);
	stood_still_ = stood_still_ ? *stood_still_ + took : took;
}

// So that the device can serve again. A store and nothing else: its path may lead to another
// disk by now. Where it cannot be wiped, the next snapshot that is to use it says so.
void Executor::forget_store(const std::string& device)
{
	try {
		if (!host_.in_use(device) && store::parse_header(host_.read_start(device, store::header_bytes)))
			host_.wipe_start(device, std::min(wiped_bytes, host_.block_device(device).size));
	} catch (const Error&) {
		// It is not there.
	}
}

// Everything that was suspended and keeps its table goes on. What was to get
// another table is put right by undoing its load.
void Executor::undo_section(const Section& section)
{
	std::exception_ptr failed;
	for (const auto& [what, name] : section) {
		if (what != Turn::What::suspend && what != Turn::What::hold)
			continue;
		const bool swapped = std::any_of(section.begin(), section.end(), [&](const auto& turn) {
			return turn.first == Turn::What::swap && turn.second == name;
		});
		try {
			const auto info = mapper_.info(name);
			if (!swapped && info && info->suspended)
				mapper_.resume(name, dm::Visibility::shown);
		} catch (const std::exception&) {
			failed = std::current_exception();
		}
	}
	if (failed)
		std::rethrow_exception(failed);
}

// ---- a whole plan ------------------------------------------------------------------

std::optional<std::chrono::microseconds> Executor::run(Journal journal)
{
	values_.clear();
	stood_still_.reset();
	journal.boot = host_.boot_id();
	journal.id = registry_.begin(journal);
	std::size_t at = 0;
	try {
		for (; at < journal.steps.size(); at++) {
			registry_.set_state(journal.id, at, JournalStep::State::begun);
			take(journal.steps[at]);
			journal.steps[at].state = JournalStep::State::done;
			registry_.set_state(journal.id, at, JournalStep::State::done);
		}
	} catch (const std::exception& error) {
		if (at >= journal.commit) {
			// It stays in the journal, to be finished later. Until then everything runs.
			undo_loads(journal, at);
			throw;
		}
		if (at + 1 == journal.commit && is_decisive(journal.steps[at]) && has_happened(journal, at)) {
			// The swap did work; something after it did not.
			forward(journal, at);
			registry_.end(journal.id);
			return stood_still_;
		}
		try {
			undo_all(journal, at + 1);
		} catch (const Error& undo_error) {
			// The journal keeps it.
			throw Error{Failure::failed, journal.what, "", std::string{error.what()} + "; " + undo_error.what(),
				    undo_error.advice()};
		}
		registry_.end(journal.id);
		throw;
	}
	registry_.end(journal.id);
	try {
		mapper_.settle();
	} catch (const std::exception&) {
		// The devices are there; only udev's links may be late.
	}
	return stood_still_;
}

// The first `count` steps, the last one first. One that cannot be undone does
// not keep the others from it.
void Executor::undo_all(const Journal& journal, std::size_t count)
{
	std::string complaints;
	const bool rebooted = is_from_another_boot(journal);
	for (std::size_t i = count; i-- > 0;) {
		if (rebooted && is_of_one_boot(journal.steps[i]))
			continue;
		try {
			undo(journal.steps[i]);
		} catch (const std::exception& error) {
			complaints += (complaints.empty() ? "" : "; ") + std::string{error.what()};
		}
	}
	try {
		mapper_.settle();
	} catch (const std::exception& error) {
		complaints += (complaints.empty() ? "" : "; ") + std::string{error.what()};
	}
	if (!complaints.empty())
		throw Error{Failure::failed, "undo", journal.what, complaints,
			    "`snapctl doctor` says what is left; restarting the daemon tries again"};
}

// When a section fails, what it would have swapped goes on with the old table.
void Executor::undo_loads(const Journal& journal, std::size_t section)
{
	if (journal.steps[section].code != "section")
		return;
	for (std::size_t i = section; i-- > 0;) {
		try {
			if (journal.steps[i].code == "load")
				undo(journal.steps[i]);
		} catch (const std::exception&) {
			// The caller is about to tell of the first failure; doctor sees what is suspended.
		}
	}
}

void Executor::forward(Journal& journal, std::size_t from)
{
	const bool rebooted = is_from_another_boot(journal);
	for (std::size_t i = from; i < journal.steps.size(); i++) {
		if (journal.steps[i].state == JournalStep::State::done || (rebooted && is_of_one_boot(journal.steps[i])))
			continue;
		const bool over = journal.steps[i].code == "section" && has_happened(journal, i);
		if (over) {
			// Only what is still suspended has to go on.
			for (std::size_t k = 1; k < journal.steps[i].args.size(); k++) {
				const DmName name{journal.steps[i].args[k].substr(1)};
				const auto info = mapper_.info(name);
				if (info && info->suspended)
					mapper_.resume(name, dm::Visibility::shown);
			}
		} else {
			// thaw() cleared what had been loaded for the section.
			for (const JournalStep& load : journal.steps)
				if (journal.steps[i].code == "section" && load.code == "load" &&
				    load.state == JournalStep::State::done)
					take(load);
			try {
				take(journal.steps[i]);
			} catch (const std::exception&) {
				undo_loads(journal, i);
				throw;
			}
		}
		journal.steps[i].state = JournalStep::State::done;
		registry_.set_state(journal.id, i, JournalStep::State::done);
	}
	mapper_.settle();
}

bool Executor::is_from_another_boot(const Journal& journal) { return !journal.boot.empty() && journal.boot != host_.boot_id(); }

// So many steps were begun: is there no way back?
bool Executor::is_past(const Journal& journal, std::size_t begun)
{
	if (begun == 0 || begun < journal.commit)
		return false;
	const JournalStep& last = journal.steps[begun - 1];
	if (begun > journal.commit || last.state == JournalStep::State::done)
		return true;
	// After a restart nothing tells whether it happened. If it did, only forward is right (a merge
	// may have changed the origin); if not, forward is what was asked for.
	return is_decisive(last) && (is_from_another_boot(journal) || has_happened(journal, begun - 1));
}

// Is the device gone? Do all devices that the section swaps have the table that was loaded for it?
// Judged by the type and the devices: the kernel may print the rest otherwise.
bool Executor::has_happened(const Journal& journal, std::size_t section)
{
	const Fields& args = journal.steps[section].args;
	if (journal.steps[section].code == "remove_device") {
		const auto info = mapper_.info(DmName{args.at(0)});
		return !info || info->uuid.str() != args.at(1);
	}
	if (journal.steps[section].code != "section")
		return false;
	bool any = false;
	for (std::size_t k = 1; k < args.size(); k++) {
		if (args[k].at(0) != static_cast<char>(Turn::What::swap))
			continue;
		any = true;
		const DmName name{args[k].substr(1)};
		const auto info = mapper_.info(name);
		const auto load = std::find_if(journal.steps.begin(), journal.steps.end(), [&](const JournalStep& step) {
			return step.code == "load" && step.args.at(0) == name.str();
		});
		if (!info || !info->live_table || load == journal.steps.end())
			return false;
		const dm::Table live = mapper_.table(name), wished = table_of(load->args.at(1));
		const auto *a = dm::only_target<dm::Snapshot>(live), *b = dm::only_target<dm::Snapshot>(wished);
		const bool same = a != nullptr && b != nullptr
					  ? a->merge == b->merge && a->origin == b->origin && a->cow == b->cow
					  : live == wished;
		if (!same)
			return false;
	}
	return any;
}

// ---- after a kill ------------------------------------------------------------------

void Executor::thaw(dm::Mapper& mapper)
{
	struct Stopped {
		DmName name;
		bool inactive_table;
		bool ours;
	};
	std::vector<Stopped> stopped;
	std::vector<std::string> inner_numbers;
	std::vector<dm::Table> inner_tables;
	for (const dm::ListedDevice& device : mapper.list()) {
		if (device.name.empty() || device.name.size() > dm_name_max || !is_dm_text(device.name))
			continue;
		const DmName name{device.name};
		const auto info = mapper.info(name);
		if (!info)
			continue;
		if (info->uuid.str().starts_with("SNAPCTL-real-") && info->live_table) {
			inner_numbers.push_back(info->number.str());
			inner_tables.push_back(mapper.table(name));
		}
		if (info->suspended)
			stopped.push_back({name, info->inactive_table, info->uuid.str().starts_with(uuid_prefix)});
	}
	for (Stopped& device : stopped) {
		if (!device.ours) {
			// One that is being taken over, was, or is being given back.
			const dm::Table table = mapper.table(device.name);
			const auto* origin = dm::only_target<dm::SnapshotOrigin>(table);
			const auto* merge = dm::only_target<dm::Snapshot>(table);
			const std::string over = origin != nullptr ? origin->origin : merge != nullptr ? merge->origin : "";
			device.ours = std::find(inner_numbers.begin(), inner_numbers.end(), over) != inner_numbers.end() ||
				      std::find(inner_tables.begin(), inner_tables.end(), table) != inner_tables.end();
		}
		if (!device.ours)
			continue;
		if (device.inactive_table)
			mapper.clear(device.name);
		mapper.resume(device.name, dm::Visibility::shown);
	}
}

std::vector<std::string> Executor::recover()
{
	std::vector<std::string> done;
	for (Journal& journal : registry_.open_journals()) {
		values_.clear();
		std::size_t begun = 0; // steps
		for (std::size_t i = 0; i < journal.steps.size(); i++)
			if (journal.steps[i].state != JournalStep::State::planned)
				begun = i + 1;
		try {
			if (is_past(journal, begun)) {
				std::size_t from = 0;
				while (from < journal.steps.size() && journal.steps[from].state == JournalStep::State::done)
					from++;
				forward(journal, from);
				done.push_back("finished: " + journal.what);
			} else {
				undo_all(journal, begun);
				done.push_back("undone: " + journal.what);
			}
			registry_.end(journal.id);
		} catch (const std::exception& error) {
			done.push_back("failed: " + journal.what + ": " + error.what());
		}
	}
	return done;
}

} // namespace snapctl::engine
