// SPDX-License-Identifier: GPL-2.0-or-later
//
// The verbs of snapshots.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "engine/names.h"
#include "engine/planner.h"
#include "engine/policy.h"
#include "store/capacity.h"

namespace snapctl::engine {

namespace {

constexpr Bytes usual_chunk{4096};
constexpr const char* create_context = "create snapshot";

std::string quoted_list(const std::vector<std::string>& names) { return join(names, ", "); }

std::string rate_message(Bytes rate)
{
	// 0 is no limit, so a small one must not become it.
	return "merge rate " + std::to_string(merge_rate_kib(rate));
}

} // namespace

// ---- create ---------------------------------------------------------------------

void Planner::check_members(const Create& wish)
{
	if (wish.members.empty())
		throw Error{Failure::refused, create_context, "", "no origin was named"};
	if (!wish.set.empty())
		check_object_name("create set", wish.set);
	else if (wish.members.size() > 1)
		throw Error{Failure::refused, create_context, "", "several at one instant are a set, which needs a name"};
	if (wish.members.size() > 1 && wish.space.kind == SpaceKind::device)
		throw Error{Failure::refused, create_context, wish.space.where, "one device cannot hold the copies of several snapshots",
			    "use files or a volume group"};
}

// Sets where the copies go.
Planner::NewSpace Planner::choose_space(const OriginRow& origin, SnapshotRow& row)
{
	NewSpace space;
	if (row.kind == SpaceKind::file) {
		if (row.where.empty())
			row.where = config_.cow_directory;
		if (row.where[0] != '/')
			throw Error{Failure::refused, create_context, row.where, "the directory must be given from the root on"};
		check_not_on(create_context, origin, host_.stack_of_path(row.where), row.where);
		row.cow = row.where + (row.where.back() == '/' ? "" : "/") + file_name(row.name, row.id);
	} else if (row.kind == SpaceKind::volume_group) {
		const Host::VolumeGroup group = host_.volume_group(row.where);
		space.unit = group.extent;
		for (const std::string& device : group.devices) {
			const BlockDevice its = host_.block_device(device);
			space.block = std::max(space.block, its.block);
			check_not_on(create_context, origin, host_.stack_below(its.number), "volume group " + row.where);
		}
		row.cow = row.where + "/" + volume_name(row.name, row.id);
	} else {
		row.where = host_.lasting_path(row.where);
		const BlockDevice device = host_.block_device(row.where);
		check_not_on(create_context, origin, host_.stack_below(device.number), row.where);
		if (host_.in_use(row.where))
			throw Error{Failure::busy, create_context, row.where, "it is in use: mounted, or part of something"};
		if (device.read_only)
			throw Error{Failure::refused, create_context, row.where, "the device is read-only"};
		for (const SnapshotRow& other : registry_.snapshots())
			if (other.kind == SpaceKind::device && cow_device(other) == row.where)
				throw Error{Failure::busy, create_context, row.where, "it holds the copies of " + other.name};
		if (const auto found = host_.find_content(row.where))
			throw Error{Failure::refused, create_context, row.where, "it is not empty: " + *found,
				    "if nothing on it is needed any more, `wipefs -a " + row.where + "`"};
		space.block = device.block;
		space.size = device.size;
		row.cow = row.where;
	}
	return space;
}

Bytes Planner::choose_chunk(const Create& wish, const NewSpace& space, DeviceNumber head)
{
	const Bytes origin_block = host_.find_device(head).value_or(BlockDevice{"", {}, {}, NewSpace{}.block, false}).block;
	const Bytes chunk = wish.chunk.value_or(std::max({usual_chunk, origin_block, space.block}));
	if (const char* fault = store::chunk_fault(chunk, origin_block, space.block))
		throw Error{Failure::refused, create_context, format_bytes(chunk), fault};
	return chunk;
}

Bytes Planner::choose_size(const Create& wish, const NewSpace& space, const OriginRow& origin, const SnapshotRow& row)
{
	const Bytes chunk{row.chunk_sectors * 512}, smallest = store::smallest(chunk);
	if (row.kind == SpaceKind::device) {
		if (space.size < smallest)
			throw Error{Failure::refused, create_context, row.where, "the device is too small: " + format_bytes(space.size) +
				    ", at least " + format_bytes(smallest) + " are needed"};
		return space.size;
	}
	const Bytes origin_size = to_bytes(Sectors{origin.sectors});
	const auto* percent = std::get_if<Percent>(&wish.size);
	const Bytes size = percent != nullptr ? share_of(*percent, origin_size) : std::get<Bytes>(wish.size);
	if (size < smallest && percent == nullptr)
		throw Error{Failure::refused, create_context, format_size(wish.size), "too little: at least " +
			    format_bytes(smallest) + " are needed"};
	return round_up(std::max(std::min(size, store::worst_case(origin_size, chunk)), smallest), std::max(space.unit, chunk));
}

// A set is made where there is room for all of it.
void Planner::check_room(const Space& space, Bytes needed)
{
	if (space.kind == SpaceKind::file) {
		const std::string folder = space.where.empty() ? config_.cow_directory : space.where;
		const Bytes room = host_.free_space(folder);
		if (room < needed)
			throw Error{Failure::refused, create_context, folder, "there is no room: " + format_bytes_rounded(needed) +
				    " are needed, " + format_bytes_rounded(room) + " are free", "choose a smaller --size or another --dir"};
	} else if (space.kind == SpaceKind::volume_group) {
		const Bytes room = host_.volume_group(space.where).free;
		if (room < needed)
			throw Error{Failure::refused, create_context, space.where, "the volume group has no room: " +
				    format_bytes_rounded(needed) + " are needed, " + format_bytes_rounded(room) + " are free",
				    "choose a smaller --size, or `vgextend` the group"};
	}
}

Draft Planner::plan_(const Create& wish)
{
	check_members(wish);
	Draft draft;
	draft.what = wish.set.empty() ? "create " + wish.members[0].snapshot : "create the set " + wish.set;
	std::set<std::string> names;
	std::vector<std::string> heads;
	std::vector<Turn> turns;
	std::vector<PlannedStep> loads;
	Bytes needed{0};
	const bool ours = module_is_ours();
	bool on_root = false;

	for (const Create::Member& member : wish.members) {
		const OriginRow origin = need_origin(create_context, member.origin);
		check_free_name(create_context, member.snapshot);
		if (!names.insert(member.snapshot).second)
			throw Error{Failure::refused, create_context, member.snapshot, "it is named twice"};
		for (const SnapshotRow& other : snapshots_of(origin.name))
			if (other.merging)
				throw Error{Failure::refused, create_context, member.snapshot,
					    other.name + " is being merged into " + origin.name, "wait for its end"};
		check_nothing_waits(create_context, origin.name, "");
		const std::string base = base_of(origin);
		const auto head = mapper_.info(DmName{origin.dm_name});
		if (head->suspended)
			throw Error{Failure::busy, create_context, origin.name, "it is suspended", "`snapctl doctor` says more"};
		on_root = on_root || holds_root(origin);

		SnapshotRow row;
		row.name = member.snapshot;
		row.id = host_.new_id();
		row.origin = origin.name;
		row.set = wish.set;
		row.transient = wish.transient;
		row.read_only = wish.read_only;
		row.on_full = wish.on_full;
		row.kind = wish.space.kind;
		row.where = wish.space.where;
		row.created_us = static_cast<std::uint64_t>(
			std::chrono::duration_cast<std::chrono::microseconds>(host_.now().time_since_epoch()).count());

		const NewSpace space = choose_space(origin, row);
		row.chunk_sectors = choose_chunk(wish, space, head->number).count / 512;
		const Bytes size = choose_size(wish, space, origin, row);
		needed = needed + size;

		const std::string value = "space of " + row.name;
		add_space(draft, row, size, value);
		draft.add(step::put(row, std::nullopt));
		draft.add(step::create_device(row.name, snapshot_uuid(row.id), dm::Visibility::shown, row.name));
		loads.push_back(step::load(row.name, snapshot_table(row, origin, base, "{" + value + "}", size, false),
					   row.read_only, "", false));
		if (std::find(heads.begin(), heads.end(), origin.dm_name) == heads.end())
			heads.push_back(origin.dm_name);
		turns.push_back({Turn::What::start, row.name});
		draft.events.emplace_back(EventKind::created, row.name);
	}

	check_room(wish.space, needed);
	for (PlannedStep& load : loads)
		draft.add(std::move(load));
	std::vector<Turn> all;
	for (const std::string& head : in_order_of_suspension(heads))
		all.push_back({Turn::What::suspend, head});
	all.insert(all.end(), turns.begin(), turns.end());
	for (const std::string& head : heads)
		all.push_back({Turn::What::resume, head});
	draft.add(step::section(all));

	std::vector<std::string> made(names.begin(), names.end());
	draft.outcome.text = wish.set.empty() ? "created " + made[0] + " of " + wish.members[0].origin + ": /dev/mapper/" + made[0]
					      : "created the set " + wish.set + " at one instant: " + quoted_list(made);
	if (on_root && !wish.transient)
		draft.outcome.text += "; a restart of the machine loses it: the root file system is mounted before snapctl runs";
	if (!ours && wish.on_full == OnFull::queue)
		draft.outcome.text += "; the kernel's own module cannot hold I/O back: when it is full it overflows";
	return draft;
}

// ---- remove, rename ----------------------------------------------------------------

Draft Planner::plan_(const Remove& wish)
{
	static constexpr const char* context = "remove snapshot";
	const SnapshotRow row = need_snapshot(context, wish.snapshot);
	const auto origin = registry_.origin(row.origin);
	// A merge can end, unless the space is gone that holds the rest of it.
	if (row.merging && (!origin || is_up(*origin) || !fault_of_space(row)))
		throw Error{Failure::refused, context, row.name, "it is being merged into " + row.origin +
			    ", and part of it is there already", "let the merge end; `snapctl merge " + row.name + " --pause` stops it for a while"};
	const auto info = mapper_.info(DmName{row.name});
	const bool there = info && info->uuid == snapshot_uuid(row.id);
	if (there && info->open_count > 0)
		throw Error{Failure::busy, context, row.name, "/dev/mapper/" + row.name + " is in use",
			    "unmount it first; `fuser -vm /dev/mapper/" + row.name + "` says who uses it"};
	Draft draft;
	draft.what = "remove " + row.name;
	if (there)
		draft.add(step::remove_device(row.name, snapshot_uuid(row.id)));
	// The last one that kept the origin read-only?
	if (origin && is_up(*origin) && !is_merging(*origin) && !there && !row.stale && !needs_read_only(row.origin, row.name) &&
	    mapper_.info(DmName{origin->dm_name})->read_only)
		swap_head(draft, *origin, origin_table(*origin, base_of(*origin)), false);
	draft.no_return();
	drop_space(draft, row);
	draft.add(step::drop(row));
	draft.events.emplace_back(EventKind::removed, row.name);
	draft.outcome.text = "removed " + row.name + (row.merging ? "; " + row.origin + " was left half merged with it: check it before it is used" : "");
	return draft;
}

Draft Planner::plan_(const Rename& wish)
{
	static constexpr const char* context = "rename snapshot";
	const SnapshotRow row = need_snapshot(context, wish.snapshot);
	Draft draft;
	draft.what = "rename " + row.name + " to " + wish.to;
	if (wish.to == row.name) {
		draft.outcome.changed = false;
		draft.outcome.text = row.name + " has this name";
		return draft;
	}
	check_free_name(context, wish.to);
	SnapshotRow renamed = row;
	renamed.name = wish.to;
	draft.add(step::drop(row));
	draft.add(step::put(renamed, std::nullopt));
	if (is_live(row))
		draft.add(step::rename_device(row.name, wish.to, snapshot_uuid(row.id)));
	draft.outcome.text = row.name + " is " + wish.to + " now";
	return draft;
}

// ---- extend -----------------------------------------------------------------------

std::vector<PlannedStep> Planner::grow(const SnapshotRow& row, Bytes size)
{
	std::vector<PlannedStep> steps;
	switch (row.kind) {
	case SpaceKind::file:
		steps.push_back(step::grow_file(row.cow, size));
		if (host_.find_loop(row.cow))
			steps.push_back(step::resize_loop(row.cow));
		break;
	case SpaceKind::volume_group: steps.push_back(step::extend_volume(row.cow, size)); break;
	case SpaceKind::device: break; // it has grown, or not
	}
	const Bytes mark = low_water_mark(policy_for(config_, row.kind), size);
	if (is_live(row) && mark.count > 0 && module_is_ours())
		steps.push_back(step::hint(row.name, "low_water_mark " + std::to_string(mark.count / 512)));
	return steps;
}

Draft Planner::plan_(const Extend& wish)
{
	static constexpr const char* context = "extend snapshot";
	const SnapshotRow row = need_snapshot(context, wish.snapshot);
	const OriginRow origin = need_origin(context, row.origin);
	check_not_lost(context, row);
	if (row.merging)
		throw Error{Failure::refused, context, row.name, "it is being merged, which needs no more space"};
	Draft draft;
	draft.what = "extend " + row.name;

	bool overflow = false;
	Bytes known = space_size(row);
	if (is_live(row)) {
		const auto lines = mapper_.status(DmName{row.name});
		const auto status = dm::parse_snapshot_status(lines.at(0).text);
		if (const auto* word = std::get_if<dm::StatusWord>(&status)) {
			if (*word == dm::StatusWord::invalid)
				throw Error{Failure::refused, context, row.name, "it is lost: more space does not bring it back",
					    "`snapctl remove " + row.name + "` forgets it"};
			overflow = *word == dm::StatusWord::overflow;
		}
	}

	const Bytes worst = round_up(store::worst_case(to_bytes(Sectors{origin.sectors}), Bytes{row.chunk_sectors * 512}), space_unit(row));
	Bytes size = known;
	if (row.kind != SpaceKind::device) {
		const auto* percent = std::get_if<Percent>(&wish.by);
		const Bytes by = percent != nullptr ? share_of(*percent, known) : std::get<Bytes>(wish.by);
		if (by.count == 0)
			throw Error{Failure::refused, context, format_size(wish.by), "that is nothing"};
		if (by.count > (std::uint64_t{1} << 60))
			throw Error{Failure::refused, context, format_size(wish.by), "that is too much"};
		size = std::min(round_up(known + by, space_unit(row)), std::max(worst, known));
		const Bytes room = row.kind == SpaceKind::file ? host_.free_space(row.cow.substr(0, row.cow.rfind('/')))
							       : host_.volume_group(row.cow.substr(0, row.cow.find('/'))).free;
		if (size > known && room < size - known)
			throw Error{Failure::refused, context, row.name, "there is no room: " + format_bytes_rounded(size - known) +
				    " are needed, " + format_bytes_rounded(room) + " are free"};
	}
	if (size == known && row.kind != SpaceKind::device && !overflow) {
		draft.outcome.changed = false;
		draft.outcome.text = row.name + " has all the space that it can ever use: " + format_bytes_rounded(known);
		return draft;
	}
	for (PlannedStep& its : grow(row, size))
		draft.add(std::move(its));
	if (overflow) {
		const std::string table = snapshot_table(row, origin, base_of(origin), cow_number(row), size, false);
		draft.add(step::load(row.name, table, row.read_only, dm::format_table(mapper_.table(DmName{row.name})), row.read_only));
		draft.add(step::section({{Turn::What::hold, row.name}, {Turn::What::swap, row.name}}));
	}
	draft.events.emplace_back(EventKind::extended, row.name);
	draft.outcome.text = row.name + " has " + format_bytes_rounded(size) + (row.kind == SpaceKind::device ? " on its device" : " now");
	return draft;
}

// ---- deactivate, activate --------------------------------------------------------------

Draft Planner::plan_(const Deactivate& wish)
{
	static constexpr const char* context = "deactivate snapshot";
	const SnapshotRow row = need_snapshot(context, wish.snapshot);
	const OriginRow origin = need_origin(context, row.origin);
	Draft draft;
	draft.what = "deactivate " + row.name;
	if (row.merging)
		throw Error{Failure::refused, context, row.name, "it is being merged"};
	check_no_merge(context, row);
	if (!row.active && !is_live(row)) {
		draft.outcome.changed = false;
		draft.outcome.text = row.name + " is inactive";
		return draft;
	}
	if (row.transient)
		throw Error{Failure::refused, context, row.name, "it is transient and would be lost", "`snapctl remove` says so"};
	const auto info = mapper_.info(DmName{row.name});
	if (info && info->open_count > 0)
		throw Error{Failure::busy, context, row.name, "/dev/mapper/" + row.name + " is in use", "unmount it first"};
	// Writes that it does not see would be lost to it, so from now on there are none.
	const auto head = mapper_.info(DmName{origin.dm_name});
	if (is_up(origin) && head->open_count > 0)
		throw Error{Failure::busy, context, row.name, "its origin " + origin.name + " is in use, and what is written there "
			    "meanwhile would be lost to the snapshot", "unmount the origin first, or remove the snapshot"};
	if (is_up(origin) && !head->read_only)
		swap_head(draft, origin, origin_table(origin, base_of(origin)), true);
	if (info && info->uuid == snapshot_uuid(row.id))
		draft.add(step::remove_device(row.name, snapshot_uuid(row.id)));
	draft.no_return();
	detach_space(draft, row);
	SnapshotRow inactive = row;
	inactive.active = false;
	draft.add(step::put(inactive, row));
	draft.events.emplace_back(EventKind::deactivated, row.name);
	draft.outcome.text = row.name + " is inactive; until it is active again " + origin.name + " is read-only";
	return draft;
}

Draft Planner::plan_(const Activate& wish)
{
	static constexpr const char* context = "activate snapshot";
	const SnapshotRow row = need_snapshot(context, wish.snapshot);
	const OriginRow origin = need_origin(context, row.origin);
	Draft draft;
	draft.what = "activate " + row.name;
	if (row.merging || is_live(row)) {
		draft.outcome.changed = false;
		draft.outcome.text = row.name + (row.merging ? " is being merged" : " is active");
		return draft;
	}
	if (row.stale)
		throw Error{Failure::refused, context, row.name, "it is lost: its origin was written without it",
			    "`snapctl remove " + row.name + "` forgets it"};
	check_no_merge(context, row);
	if (!is_up(origin))
		throw Error{Failure::refused, context, row.name, "its origin " + origin.name + " is not active",
			    "`snapctl activate --all` brings up both"};
	const auto head = mapper_.info(DmName{origin.dm_name});
	if (!head->read_only)
		throw Error{Failure::refused, context, row.name, "its origin was writable without it, so it cannot be right any more",
			    "`snapctl remove " + row.name + "` forgets it"};
	if (mapper_.info(DmName{row.name}))
		throw Error{Failure::exists, context, row.name, "another device has its name"};
	if (const auto fault = fault_of_space(row))
		throw Error{Failure::refused, context, row.name, fault->what, "`snapctl remove " + row.name + "` gives it up"};

	const std::string value = "space of " + row.name, base = base_of(origin);
	attach_space(draft, row, value);
	SnapshotRow active = row;
	active.active = true;
	draft.add(step::put(active, row));
	draft.add(step::create_device(row.name, snapshot_uuid(row.id), dm::Visibility::shown, row.name));
	const Bytes total = row.kind == SpaceKind::volume_group ? Bytes{0} : space_size(row);
	draft.add(step::load(row.name, snapshot_table(row, origin, base, "{" + value + "}", total, false), row.read_only, "", false));
	if (needs_read_only(origin.name, row.name)) {
		draft.add(step::section({{Turn::What::suspend, origin.dm_name}, {Turn::What::start, row.name}, {Turn::What::resume, origin.dm_name}}));
	} else {
		const std::string table = dm::format_table(mapper_.table(DmName{origin.dm_name}));
		draft.add(step::load(origin.dm_name, table, false, table, true));
		draft.add(step::section({{Turn::What::hold, origin.dm_name}, {Turn::What::start, row.name}, {Turn::What::swap, origin.dm_name}}));
	}
	draft.events.emplace_back(EventKind::activated, row.name);
	draft.outcome.text = row.name + " is active: /dev/mapper/" + row.name;
	return draft;
}

// ---- merge --------------------------------------------------------------------------

// Right after an unmount udev looks at the device once more. That is no use, and soon over.
bool Planner::is_in_use(const OriginRow& origin)
{
	const DmName head{origin.dm_name};
	for (int look = 0; look < 30; look++) {
		if (mapper_.info(head)->open_count == 0)
			return false;
		if (host_.in_use("/dev/mapper/" + origin.dm_name))
			return true;
		host_.pause(std::chrono::milliseconds{100});
	}
	return true;
}

bool Planner::holds_root(const OriginRow& origin)
{
	return host_.stack_of_path("/").contains(mapper_.info(DmName{origin.dm_name})->number);
}

bool Planner::is_merging(const OriginRow& origin)
{
	const auto rows = snapshots_of(origin.name);
	return std::any_of(rows.begin(), rows.end(), [](const SnapshotRow& row) { return row.merging; });
}

void Planner::check_not_lost(const char* context, const SnapshotRow& row)
{
	if (row.stale)
		throw Error{Failure::refused, context, row.name, "it is lost", "`snapctl remove " + row.name + "` forgets it"};
}

// The origin has the table of the merge, which must not be replaced.
void Planner::check_no_merge(const char* context, const SnapshotRow& row)
{
	for (const SnapshotRow& other : snapshots_of(row.origin))
		if (other.merging && other.name != row.name)
			throw Error{Failure::busy, context, row.name, other.name + " is being merged into the same origin", "wait for its end"};
}

bool Planner::merge_has_failed(const OriginRow& origin)
{
	if (!is_up(origin))
		return false;
	const auto status = dm::parse_snapshot_status(mapper_.status(DmName{origin.dm_name}).at(0).text);
	const auto* word = std::get_if<dm::StatusWord>(&status);
	return word != nullptr && *word == dm::StatusWord::merge_failed;
}

// A new table tries again.
Draft Planner::retry_merge(const SnapshotRow& row, const OriginRow& origin)
{
	Draft draft;
	draft.what = "merge " + row.name + " again";
	swap_head(draft, origin, dm::format_table(mapper_.table(DmName{origin.dm_name})), false);
	draft.outcome.text = "the merge of " + row.name + " was started again";
	return draft;
}

Draft Planner::plan_(const Merge& wish)
{
	static constexpr const char* context = "merge snapshot";
	const SnapshotRow row = need_snapshot(context, wish.snapshot);
	const OriginRow origin = need_origin(context, row.origin);
	check_not_lost(context, row);
	Draft draft;
	draft.what = "merge " + row.name + " into " + origin.name;
	if (row.merging && merge_has_failed(origin)) {
		if (wish.rate)
			throw Error{Failure::refused, context, row.name, "the rate of a merge that failed cannot be changed",
				    "`snapctl merge " + row.name + "` tries again, then --rate changes it"};
		return retry_merge(row, origin);
	}
	if (row.merging) {
		draft.outcome.changed = false;
		draft.outcome.text = row.name + " is being merged";
		return draft;
	}
	if (row.transient)
		throw Error{Failure::refused, context, row.name, "a transient snapshot cannot be merged: a crash half-way would lose both"};
	check_no_merge(context, row);
	for (const SnapshotRow& other : snapshots_of(origin.name)) {
		if (!other.stale && other.name != row.name && !is_live(other))
			throw Error{Failure::refused, context, row.name, "the merge writes to " + origin.name + ", and " + other.name +
				    " is inactive and would not see it", "activate or remove " + other.name + " first"};
	}
	if (!is_live(row))
		throw Error{Failure::refused, context, row.name, "it is not active", "`snapctl activate " + row.name + "` first"};
	const auto status = dm::parse_snapshot_status(mapper_.status(DmName{row.name}).at(0).text);
	if (const auto* word = std::get_if<dm::StatusWord>(&status); word != nullptr && *word == dm::StatusWord::invalid)
		throw Error{Failure::refused, context, row.name, "it is lost, there is nothing to go back to",
			    "`snapctl remove " + row.name + "` forgets it"};
	if (mapper_.info(DmName{row.name})->open_count > 0)
		throw Error{Failure::busy, context, row.name, "/dev/mapper/" + row.name + " is in use",
			    "unmount it first: after the merge there is no such device"};
	if (holds_root(origin))
		throw Error{Failure::refused, context, row.name, "the root file system lies on " + origin.name +
			    ": after a restart in the middle of the merge the machine would boot from a mixture of both",
			    "merge it from a system that boots from another disk"};
	const bool ours = module_is_ours();
	if (wish.rate && wish.rate->count > 0 && !ours)
		throw Error{Failure::unsupported, context, row.name, "the kernel's own module cannot limit the rate of a merge",
			    "`snapctl doctor` says how to load ours"};

	SnapshotRow merging = row;
	merging.merge_rate = wish.rate.value_or(Bytes{row.merge_rate}).count;
	// Whoever has it mounted would write what he remembers of it over what it is to become.
	if (is_in_use(origin)) {
		merging.merge_wanted = true;
		draft.outcome.text = origin.name + " is in use: the merge begins when it is not, so unmount it, or restart the machine";
		draft.outcome.changed = !row.merge_wanted || merging.merge_rate != row.merge_rate;
		if (draft.outcome.changed)
			draft.add(step::put(merging, row));
		return draft;
	}
	check_nothing_waits(context, origin.name, row.name);
	merging.merging = true;
	merging.merge_wanted = false;
	if (const auto* usage = std::get_if<dm::UsageStatus>(&status))
		merging.merge_bytes = (usage->allocated.count - std::min(usage->allocated, usage->metadata).count) * 512;
	draft.add(step::put(merging, row));
	const DmName head{origin.dm_name};
	draft.add(step::load(origin.dm_name, snapshot_table(merging, origin, base_of(origin), cow_number(row), Bytes{0}, true), false,
			     dm::format_table(mapper_.table(head)), mapper_.info(head)->read_only));
	draft.add(step::section({{Turn::What::hold, row.name}, {Turn::What::suspend, origin.dm_name}, {Turn::What::swap, origin.dm_name}}, true));
	draft.no_return();
	draft.add(step::remove_device(row.name, snapshot_uuid(row.id)));
	draft.outcome.text = origin.name + " shows what " + row.name + " showed; the merge goes on in the background";
	return draft;
}

Draft Planner::plan_(const MergeControl& wish)
{
	static constexpr const char* context = "merge";
	const SnapshotRow row = need_snapshot(context, wish.snapshot);
	const OriginRow origin = need_origin(context, row.origin);
	if (row.merge_wanted && wish.what == MergeControl::What::pause) {
		Draft draft;
		draft.what = "do not merge " + row.name;
		SnapshotRow unwanted = row;
		unwanted.merge_wanted = false;
		draft.add(step::put(unwanted, row));
		draft.outcome.text = "the merge of " + row.name + " does not begin";
		return draft;
	}
	if (!row.merging)
		throw Error{Failure::refused, context, row.name, "it is not being merged"};
	if (wish.what == MergeControl::What::resume && merge_has_failed(origin))
		return retry_merge(row, origin);
	Draft draft;
	SnapshotRow changed = row;
	if (!module_is_ours())
		throw Error{Failure::unsupported, context, row.name, "the kernel's own module cannot pause a merge or limit its rate",
			    "`snapctl doctor` says how to load ours"};
	switch (wish.what) {
	case MergeControl::What::pause:
		draft.what = "pause the merge of " + row.name;
		changed.merge_paused = true;
		draft.add(step::message(origin.dm_name, "merge pause"));
		draft.outcome.text = "the merge of " + row.name + " is paused";
		break;
	case MergeControl::What::resume:
		draft.what = "resume the merge of " + row.name;
		changed.merge_paused = false;
		draft.add(step::message(origin.dm_name, "merge resume"));
		draft.outcome.text = "the merge of " + row.name + " goes on";
		break;
	case MergeControl::What::rate:
		draft.what = "limit the merge of " + row.name;
		changed.merge_rate = wish.rate.count;
		draft.add(step::message(origin.dm_name, rate_message(wish.rate)));
		draft.outcome.text = wish.rate.count > 0 ? row.name + " is merged at " + format_bytes_rounded(wish.rate) + " a second at most"
							 : row.name + " is merged as fast as it goes";
		break;
	}
	draft.outcome.changed = changed.merge_paused != row.merge_paused || changed.merge_rate != row.merge_rate;
	draft.add(step::put(changed, row));
	return draft;
}

Draft Planner::finish_merge(const SnapshotRow& row)
{
	const OriginRow origin = need_origin("finish merge", row.origin);
	Draft draft;
	draft.what = "finish the merge of " + row.name;
	swap_head(draft, origin, origin_table(origin, base_of(origin)), false);
	drop_space(draft, row);
	draft.add(step::drop(row));
	draft.commit = 0; // only forward: the snapshot is in the origin
	draft.events.emplace_back(EventKind::merge_done, row.name);
	draft.outcome.text = row.name + " is merged into " + origin.name;
	return draft;
}

} // namespace snapctl::engine
