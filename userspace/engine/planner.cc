// SPDX-License-Identifier: GPL-2.0-or-later
//
// Origins, and what all verbs have in common. The verbs of snapshots are in
// plan_snapshots.cc.
#include "engine/planner.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "engine/names.h"
#include "engine/policy.h"
#include "store/header.h"

namespace snapctl::engine {

namespace {

// Tables that two devices may have at once, one of them idle: nothing in them
// is written by the target itself.
bool can_be_moved(const dm::Table& table)
{
	return !table.empty() && std::all_of(table.begin(), table.end(), [](const dm::Target& target) {
		const std::string type = dm::type_of(target);
		return type == "linear" || type == "striped" || type == "crypt" || type == "error" || type == "zero";
	});
}

} // namespace

Draft Planner::plan(const Change& change)
{
	Draft draft = std::visit([this](const auto& wish) { return plan_(wish); }, change);
	// Unless said otherwise there is a way back from everything.
	if (draft.commit == 0)
		draft.commit = draft.steps.size();
	return draft;
}

// ---- looking --------------------------------------------------------------------

bool Planner::module_is_ours()
{
	for (int attempt = 0; attempt < 2; attempt++) {
		for (const dm::TargetVersion& target : mapper_.targets())
			if (target.name == "snapshot")
				return std::pair{target.major, target.minor} >= std::pair{1u, 17u};
		mapper_.load_target("snapshot");
	}
	return false;
}

OriginRow Planner::need_origin(const char* context, const std::string& name)
{
	auto row = registry_.origin(name);
	if (!row)
		throw Error{Failure::not_found, context, name, "there is no such origin",
			    "`snapctl origin list` shows what there is; `snapctl origin add` adds one"};
	return *row;
}

SnapshotRow Planner::need_snapshot(const char* context, const std::string& name)
{
	auto row = registry_.snapshot(name);
	if (!row)
		throw Error{Failure::not_found, context, name, "there is no such snapshot", "`snapctl list` shows what there is"};
	return *row;
}

std::vector<SnapshotRow> Planner::snapshots_of(const std::string& origin)
{
	std::vector<SnapshotRow> rows = registry_.snapshots();
	std::erase_if(rows, [&](const SnapshotRow& row) { return row.origin != origin; });
	return rows;
}

void Planner::check_free_name(const char* context, const std::string& name, const std::string& kept)
{
	check_object_name(context, name);
	if (registry_.origin(name))
		throw Error{Failure::exists, context, name, "an origin has this name"};
	if (registry_.snapshot(name))
		throw Error{Failure::exists, context, name, "a snapshot has this name"};
	if (name != kept && mapper_.info(DmName{name}))
		throw Error{Failure::exists, context, name, "another device has the node /dev/mapper/" + name};
}

bool Planner::is_up(const OriginRow& row)
{
	const DmName name{row.dm_name};
	const auto info = mapper_.info(name);
	if (!info || !info->live_table)
		return false;
	const dm::Table table = mapper_.table(name);
	const auto* snapshot = dm::only_target<dm::Snapshot>(table);
	return dm::only_target<dm::SnapshotOrigin>(table) != nullptr || (snapshot != nullptr && snapshot->merge);
}

std::string Planner::base_of(const OriginRow& row)
{
	const auto info = mapper_.info(DmName{row.dm_name});
	const dm::Table table = info && info->live_table ? mapper_.table(DmName{row.dm_name}) : dm::Table{};
	if (const auto* origin = dm::only_target<dm::SnapshotOrigin>(table))
		return origin->origin;
	if (const auto* merge = dm::only_target<dm::Snapshot>(table); merge != nullptr && merge->merge)
		return merge->origin;
	throw Error{Failure::refused, "origin", row.name, "it is not active",
		    "`snapctl activate --all` brings up what the registry knows"};
}

bool Planner::is_live(const SnapshotRow& row)
{
	const auto info = mapper_.info(DmName{row.name});
	return info && info->uuid == snapshot_uuid(row.id) && info->live_table;
}

bool Planner::is_passed_by(const OriginRow& row)
{
	const auto head = mapper_.info(DmName{row.dm_name});
	if (!head || !head->live_table || head->read_only || is_up(row))
		return false;
	// Nothing gets past these to the device below.
	const dm::Table table = mapper_.table(DmName{row.dm_name});
	if (std::all_of(table.begin(), table.end(), [](const dm::Target& target) { return dm::type_of(target) == "error" || dm::type_of(target) == "zero"; }))
		return false;
	// Before its activation it looks the same.
	const auto rows = snapshots_of(row.name);
	return (row.taken_over && mapper_.info(inner_name(row.name))) ||
	       std::any_of(rows.begin(), rows.end(), [&](const SnapshotRow& its) { return !its.merging && is_live(its); });
}

// While a persistent snapshot is out of the kernel, writes to its origin would
// be lost to it. So nobody may write.
bool Planner::needs_read_only(const std::string& origin, const std::string& but_for)
{
	const auto rows = snapshots_of(origin);
	return std::any_of(rows.begin(), rows.end(), [&](const SnapshotRow& row) {
		return row.name != but_for && !row.stale && !row.merging && (!row.active || !is_live(row));
	});
}

Bytes Planner::space_size(const SnapshotRow& row)
{
	switch (row.kind) {
	case SpaceKind::file:
		if (const auto size = host_.file_size(row.cow))
			return *size;
		throw Error{Failure::not_found, "space", row.name, row.cow + " is gone"};
	case SpaceKind::volume_group: return host_.block_device("/dev/" + row.cow).size;
	case SpaceKind::device: break;
	}
	return host_.block_device(row.cow).size;
}

Bytes Planner::space_unit(const SnapshotRow& row)
{
	const Bytes chunk{std::max<std::uint64_t>(row.chunk_sectors * 512, 4096)};
	if (row.kind == SpaceKind::volume_group)
		return host_.volume_group(row.cow.substr(0, row.cow.find('/'))).extent;
	return std::max(chunk, Bytes{1 << 20});
}

std::pair<Bytes, std::optional<Bytes>> Planner::space_source(const SnapshotRow& row)
{
	switch (row.kind) {
	case SpaceKind::file: return {space_unit(row), host_.free_space(row.cow.substr(0, row.cow.rfind('/')))};
	case SpaceKind::volume_group: {
		const auto group = host_.volume_group(row.cow.substr(0, row.cow.find('/')));
		return {group.extent, group.free};
	}
	case SpaceKind::device: break;
	}
	return {space_unit(row), std::nullopt};
}

std::string Planner::cow_device(const SnapshotRow& row)
{
	switch (row.kind) {
	case SpaceKind::file: {
		const auto loop = host_.find_loop(row.cow);
		return loop ? "/dev/loop" + std::to_string(loop->minor) : "";
	}
	case SpaceKind::volume_group: return "/dev/" + row.cow;
	case SpaceKind::device: break;
	}
	return row.cow;
}

std::optional<Planner::SpaceFault> Planner::fault_of_space(const SnapshotRow& row)
{
	try {
		if (row.kind == SpaceKind::volume_group) {
			// More cannot be seen before it is activated.
			(void)host_.volume_group(row.cow.substr(0, row.cow.find('/')));
			return std::nullopt;
		}
		const auto header = store::parse_header(host_.read_start(row.cow, store::header_bytes));
		if (!header)
			return SpaceFault{row.cow + " holds " + host_.find_content(row.cow).value_or("nothing") + " instead of its store", false};
		if (header->chunk.count != row.chunk_sectors * 512)
			return SpaceFault{row.cow + " holds the store of another snapshot", false};
		if (!header->valid)
			return SpaceFault{"it was full, or its device failed, before it went down", true};
		return std::nullopt;
	} catch (const Error& error) {
		return SpaceFault{error.what(), false};
	}
}

std::string Planner::cow_number(const SnapshotRow& row)
{
	const std::string path = cow_device(row);
	if (path.empty())
		throw Error{Failure::failed, "space", row.name, row.cow + " is not attached to a loop device"};
	return host_.block_device(path).number.str();
}

void Planner::check_not_on(const char* context, const OriginRow& origin, const std::set<DeviceNumber>& stack, const std::string& what)
{
	std::vector<std::string> numbers{base_of(origin)};
	if (const auto info = mapper_.info(DmName{origin.dm_name}))
		numbers.push_back(info->number.str());
	// A write to another origin is a write to the space of its snapshots, too.
	std::set<DeviceNumber> all = stack;
	for (std::size_t before = 0; before != all.size();) {
		before = all.size();
		for (const OriginRow& other : registry_.origins()) {
			const auto head = mapper_.info(DmName{other.dm_name});
			if (other.name != origin.name && head && all.contains(head->number))
				all.merge(stack_of_spaces(other));
		}
	}
	for (const DeviceNumber& number : all)
		if (std::find(numbers.begin(), numbers.end(), number.str()) != numbers.end())
			throw Error{Failure::refused, context, what,
				    "it lies on the origin " + origin.name + " itself: every copy would be a write to the origin, and the two would wait for each other",
				    "choose a place on another device: --dir, --vg or --cow"};
}

std::set<DeviceNumber> Planner::stack_of_spaces(const OriginRow& origin)
{
	std::set<DeviceNumber> all;
	for (const SnapshotRow& row : snapshots_of(origin.name)) {
		try {
			if (row.kind == SpaceKind::file)
				all.merge(host_.stack_of_path(row.cow));
			else
				all.merge(host_.stack_below(host_.block_device(cow_device(row)).number));
		} catch (const Error&) {
			// It is not there.
		}
	}
	return all;
}

void Planner::check_nothing_waits(const char* context, const std::string& origin, const std::string& but_for)
{
	for (const SnapshotRow& row : snapshots_of(origin)) {
		if (row.name == but_for || row.merging || row.on_full != OnFull::queue || !is_live(row))
			continue;
		const auto status = dm::parse_snapshot_status(mapper_.status(DmName{row.name}).at(0).text);
		const auto* usage = std::get_if<dm::UsageStatus>(&status);
		if (usage != nullptr && usage->allocated >= usage->total)
			throw Error{Failure::busy, context, row.name, "it is full, and would be lost when " + origin + " is brought to rest",
				    "`snapctl extend " + row.name + " 50%`, or remove it"};
	}
}

std::vector<std::string> Planner::in_order_of_suspension(const std::vector<std::string>& heads)
{
	std::map<std::string, std::set<DeviceNumber>> below;
	for (const OriginRow& origin : registry_.origins())
		below[origin.dm_name] = stack_of_spaces(origin);
	std::vector<std::string> left = heads, order;
	while (!left.empty()) {
		// The next is one that no other which is left writes to.
		const auto free = std::find_if(left.begin(), left.end(), [&](const std::string& head) {
			const auto number = mapper_.info(DmName{head})->number;
			return std::none_of(left.begin(), left.end(), [&](const std::string& other) {
				return other != head && (below[other].contains(number) || host_.stack_below(mapper_.info(DmName{other})->number).contains(number));
			});
		});
		if (free == left.end())
			throw Error{Failure::refused, "create the set", join(left, ", "), "each lies on another of them, so that they cannot be brought to rest together"};
		order.push_back(*free);
		left.erase(free);
	}
	return order;
}

// ---- parts of plans ------------------------------------------------------------------

std::string Planner::origin_table(const OriginRow& row, const std::string& base)
{
	return dm::format_table({{Sectors{0}, Sectors{row.sectors}, dm::SnapshotOrigin{base}}});
}

std::string Planner::snapshot_table(const SnapshotRow& row, const OriginRow& origin, const std::string& base, const std::string& cow,
				    Bytes total, bool merge)
{
	dm::Snapshot snapshot;
	snapshot.origin = base;
	snapshot.cow = cow;
	snapshot.chunk = Sectors{row.chunk_sectors};
	snapshot.merge = merge;
	snapshot.persistence = row.transient ? dm::Persistence::transient
			       : row.on_full == OnFull::invalidate ? dm::Persistence::persistent
								   : dm::Persistence::overflow;
	if (module_is_ours() && !merge) {
		if (row.on_full == OnFull::queue)
			snapshot.features.push_back({"queue_if_no_space", std::nullopt});
		const Bytes mark = low_water_mark(policy_for(config_, row.kind), total);
		if (mark.count > 0)
			snapshot.features.push_back({"low_water_mark", mark.count / 512});
		if (row.on_full == OnFull::queue)
			snapshot.features.push_back({"no_space_timeout", config_.no_space_timeout});
	}
	// In force from the first moment: a message would come after the merge has begun.
	if (module_is_ours() && merge) {
		if (row.merge_rate > 0)
			snapshot.features.push_back({"merge_rate", merge_rate_kib(Bytes{row.merge_rate})});
		if (row.merge_paused)
			snapshot.features.push_back({"merge_paused", std::nullopt});
	}
	return dm::format_table({{Sectors{0}, Sectors{origin.sectors}, snapshot}});
}

void Planner::add_space(Draft& draft, const SnapshotRow& row, Bytes size, const std::string& value)
{
	// What the kernel takes for a header must be zero.
	const Bytes first = std::clamp(Bytes{row.chunk_sectors * 512}, wiped_bytes, Bytes{64u << 20});
	switch (row.kind) {
	case SpaceKind::file:
		draft.add(step::create_file(row.cow, size));
		draft.add(step::attach_loop(row.cow, value));
		break;
	case SpaceKind::volume_group:
		draft.add(step::create_volume(row.cow, size));
		draft.add(step::wipe("/dev/" + row.cow, first));
		draft.add(step::find_device("/dev/" + row.cow, value));
		break;
	case SpaceKind::device:
		draft.add(step::wipe(row.cow, std::min(first, size)));
		draft.add(step::find_device(row.cow, value));
		break;
	}
}

void Planner::attach_space(Draft& draft, const SnapshotRow& row, const std::string& value)
{
	switch (row.kind) {
	case SpaceKind::file: draft.add(step::attach_loop(row.cow, value)); break;
	case SpaceKind::volume_group:
		draft.add(step::activate_volume(row.cow));
		draft.add(step::find_device("/dev/" + row.cow, value));
		break;
	case SpaceKind::device: draft.add(step::find_device(row.cow, value)); break;
	}
}

void Planner::detach_space(Draft& draft, const SnapshotRow& row)
{
	if (row.kind == SpaceKind::file)
		draft.add(step::detach_loop(row.cow));
	else if (row.kind == SpaceKind::volume_group)
		draft.add(step::deactivate_volume(row.cow));
}

void Planner::drop_space(Draft& draft, const SnapshotRow& row)
{
	switch (row.kind) {
	case SpaceKind::file:
		draft.add(step::detach_loop(row.cow));
		draft.add(step::remove_file(row.cow));
		break;
	case SpaceKind::volume_group: draft.add(step::remove_volume(row.cow)); break;
	case SpaceKind::device:
		// A transient snapshot leaves nothing behind, and the path may be another's by now.
		if (!row.transient)
			draft.add(step::forget_store(row.cow));
		break;
	}
}

void Planner::swap_head(Draft& draft, const OriginRow& row, const std::string& table, bool read_only)
{
	const DmName name{row.dm_name};
	const auto info = mapper_.info(name);
	draft.add(step::load(row.dm_name, table, read_only, dm::format_table(mapper_.table(name)), info && info->read_only));
	draft.add(step::section({{Turn::What::hold, row.dm_name}, {Turn::What::swap, row.dm_name}}));
}

// ---- origins -------------------------------------------------------------------------

Draft Planner::plan_(const OriginAdd& wish)
{
	static constexpr const char* context = "add origin";
	check_object_name(context, wish.name);
	const BlockDevice device = host_.block_device(wish.device);
	const auto mapped = mapper_.name_of(device.number);
	const dm::Table table = mapped ? mapper_.table(DmName{*mapped}) : dm::Table{};
	check_free_name(context, wish.name, mapped && can_be_moved(table) ? *mapped : "");
	if (device.size.count < 512)
		throw Error{Failure::refused, context, wish.device, "the device is empty"};
	if (device.read_only)
		throw Error{Failure::refused, context, wish.device, "the device is read-only"};
	for (const OriginRow& other : registry_.origins()) {
		const bool same = other.device == wish.device || other.device == host_.lasting_path(wish.device) || (is_up(other) && base_of(other) == device.number.str()) ||
				  mapper_.name_of(device.number) == other.dm_name;
		if (same)
			throw Error{Failure::exists, context, wish.device, "it is the origin " + other.name + " already"};
	}
	for (const SnapshotRow& other : registry_.snapshots())
		if (cow_device(other) == wish.device || (is_live(other) && mapper_.info(DmName{other.name})->number == device.number))
			throw Error{Failure::refused, context, wish.device,
				    "it belongs to the snapshot " + other.name, "snapshots of snapshots are not made this way"};

	OriginRow row;
	row.name = wish.name;
	row.id = host_.new_id();
	row.device = mapped ? wish.device : host_.lasting_path(wish.device);
	row.dm_name = wish.name;
	row.sectors = device.size.count / 512;

	Draft draft;
	draft.what = "add origin " + wish.name;
	const bool used = mapped ? mapper_.info(DmName{*mapped})->open_count > 0 : host_.in_use(wish.device);
	if (mapped && can_be_moved(table)) {
		const DmName inner = inner_name(wish.name);
		if (mapper_.info(inner))
			throw Error{Failure::exists, context, inner.str(), "another device has this name",
				    "`snapctl doctor` tells of what was left behind"};
		const auto info = mapper_.info(DmName{*mapped});
		if (info->suspended || info->inactive_table)
			throw Error{Failure::busy, context, wish.device, "somebody is about to change its table", "try again in a moment"};
		row.taken_over = true;
		row.dm_name = *mapped;
		const std::string value = "device under " + wish.name;
		draft.add(step::create_device(inner.str(), inner_uuid(row.id), dm::Visibility::hidden, value));
		draft.add(step::load(inner.str(), "@" + *mapped, info->read_only, "", false));
		draft.add(step::start_device(inner.str(), dm::Visibility::hidden));
		draft.add(step::put(row, std::nullopt));
		draft.add(step::load(*mapped, origin_table(row, "{" + value + "}"), info->read_only, "@" + inner.str(), info->read_only));
		draft.add(step::section({{Turn::What::hold, *mapped}, {Turn::What::swap, *mapped}}));
		draft.outcome.text = wish.device + " is the origin " + wish.name + " now, in use as before";
	} else if (mapped && used) {
		throw Error{Failure::unsupported, context, wish.device,
			    "it is in use, and its table cannot be moved: " + dm::type_of(table.at(0)),
			    "linear, striped and crypt can; others only while nobody uses them"};
	} else if (used) {
		throw Error{Failure::busy, context, wish.device, "it is in use: mounted, or part of something",
			    "unmount it, add it, and mount /dev/mapper/" + wish.name + " from then on"};
	} else {
		const std::string value = "device of " + wish.name;
		draft.add(step::put(row, std::nullopt));
		draft.add(step::create_device(row.dm_name, origin_uuid(row.id), dm::Visibility::shown, value));
		draft.add(step::load(row.dm_name, origin_table(row, device.number.str()), false, "", false));
		draft.add(step::start_device(row.dm_name, dm::Visibility::shown));
		draft.outcome.text = wish.device + " is the origin " + wish.name + " now: use /dev/mapper/" + wish.name;
	}
	return draft;
}

Draft Planner::plan_(const OriginRemove& wish)
{
	static constexpr const char* context = "remove origin";
	const OriginRow row = need_origin(context, wish.name);
	const auto snapshots = snapshots_of(row.name);
	if (!snapshots.empty())
		throw Error{Failure::refused, context, row.name, "it has snapshots: " + snapshots.front().name +
			    (snapshots.size() > 1 ? " and others" : ""), "remove or merge them first"};
	Draft draft;
	draft.what = "remove origin " + row.name;
	draft.outcome.text = row.device + " is no origin any more";
	const auto info = mapper_.info(DmName{row.dm_name});
	if (row.taken_over) {
		const DmName inner = inner_name(row.name);
		const bool inner_there = mapper_.info(inner).has_value();
		if (is_up(row) && inner_there) {
			draft.add(step::load(row.dm_name, "@" + inner.str(), info->read_only,
					     origin_table(row, base_of(row)), info->read_only));
			draft.add(step::section({{Turn::What::hold, row.dm_name}, {Turn::What::swap, row.dm_name}}));
		}
		draft.no_return();
		if (inner_there)
			draft.add(step::remove_device(inner.str(), inner_uuid(row.id)));
	} else if (info && info->uuid == origin_uuid(row.id)) {
		if (info->open_count > 0)
			throw Error{Failure::busy, context, row.name, "/dev/mapper/" + row.dm_name + " is in use",
				    "unmount it first; " + row.device + " itself can be mounted afterwards"};
		draft.add(step::remove_device(row.dm_name, origin_uuid(row.id)));
		draft.no_return();
	}
	draft.add(step::drop(row));
	return draft;
}

// ---- after a reboot ------------------------------------------------------------------

constexpr const char* activate_context = "activate";

// What lies under the head, which is taken over by steps in `draft` where that is not done yet.
std::string Planner::activate_base(const OriginRow& row, Draft& draft)
{
	if (is_up(row))
		return base_of(row);
	if (row.taken_over) {
		const auto head = mapper_.info(DmName{row.dm_name});
		if (!head || !head->live_table)
			throw Error{Failure::not_found, activate_context, row.name, "the device " + row.dm_name + " is not there"};
		if (dm::length_of(mapper_.table(DmName{row.dm_name})).count != row.sectors)
			throw Error{Failure::refused, activate_context, row.name, "the size of " + row.device + " has changed"};
		const DmName inner = inner_name(row.name);
		if (mapper_.info(inner))
			throw Error{Failure::exists, activate_context, inner.str(), "another device has this name"};
		draft.add(step::create_device(inner.str(), inner_uuid(row.id), dm::Visibility::hidden, "device under " + row.name));
		draft.add(step::load(inner.str(), "@" + row.dm_name, head->read_only, "", false));
		draft.add(step::start_device(inner.str(), dm::Visibility::hidden));
		return "{device under " + row.name + "}";
	}
	const BlockDevice device = host_.block_device(row.device);
	if (device.size.count / 512 != row.sectors)
		throw Error{Failure::refused, activate_context, row.name, "the size of " + row.device + " has changed"};
	if (host_.in_use(row.device))
		throw Error{Failure::busy, activate_context, row.name, row.device + " is in use already",
			    "its snapshots would miss what is written: unmount it, then `snapctl activate --all`"};
	return device.number.str();
}

// Which snapshots come up with their origin; those that are lost are called so by steps in `draft`.
Planner::Coming Planner::choose_coming(const OriginRow& row, Draft& draft, std::vector<Finding>& problems)
{
	const bool up = is_up(row);
	const auto head = mapper_.info(DmName{row.dm_name});
	Coming coming;
	const auto problem = [&](const std::string& what, const std::string& advice) {
		problems.push_back({Finding::Level::problem, what, advice});
	};
	const bool written = up ? !head->read_only : row.taken_over && host_.is_mounted_writable(head->number);
	for (const SnapshotRow& its : snapshots_of(row.name)) {
		if (its.stale || (its.merging ? up : is_live(its)))
			continue;
		const auto fault = its.transient ? std::nullopt : fault_of_space(its);
		if (its.merging) {
			// What the volume shows is on both: without one of them it must not be used.
			if (fault)
				throw Error{Failure::refused, activate_context, row.name, "it is half merged with " + its.name + ", and " + fault->what,
					    "when its space is there, `snapctl activate --all`; `snapctl remove " + its.name +
					    "` gives it up, and the volume stays as it is, a mixture of both"};
			if (written)
				throw Error{Failure::refused, activate_context, row.name, "it is half merged with " + its.name + ", and mounted without it",
					    "unmount it, then `snapctl activate --all`"};
			coming.merging = its;
			continue;
		}
		std::string lost;
		if (its.transient)
			lost = "it was transient, and the machine was restarted";
		else if (written)
			lost = "the origin was written without it";
		else if (fault && fault->for_good)
			lost = fault->what;
		if (!lost.empty()) {
			problem("the snapshot " + its.name + " is lost: " + lost, "`snapctl remove " + its.name + "` forgets it");
			SnapshotRow forgotten = its;
			forgotten.stale = true;
			draft.add(step::put(forgotten, its));
			continue;
		}
		// Whoever is not there must not miss a write.
		coming.read_only = coming.read_only || fault || !its.active;
		if (fault && its.active)
			problem("the snapshot " + its.name + " cannot come up, and keeps " + row.name + " read-only: " + fault->what,
				"when its space is there, `snapctl activate --all`; `snapctl remove " + its.name + "` gives it up");
		if (!fault && its.active)
			coming.snapshots.push_back(its);
	}
	if (coming.merging && coming.read_only)
		throw Error{Failure::refused, activate_context, row.name, "it is half merged with " + coming.merging->name +
			    ", and goes on only when all its snapshots are there, to be kept exact", "see above"};
	return coming;
}

Draft Planner::activate(const OriginRow& row, std::vector<Finding>& problems)
{
	Draft draft;
	draft.what = "activate " + row.name;
	const bool up = is_up(row);
	const auto head = mapper_.info(DmName{row.dm_name});
	const std::string base = activate_base(row, draft);
	const auto [coming, merging, read_only] = choose_coming(row, draft, problems);
	const std::size_t looked = draft.steps.size();
	if (up && coming.empty()) {
		draft.commit = draft.steps.size();
		draft.outcome.changed = looked > 0;
		draft.outcome.text = row.name + " is active";
		return draft;
	}

	for (const SnapshotRow& its : coming) {
		const std::string value = "space of " + its.name;
		attach_space(draft, its, value);
		draft.add(step::create_device(its.name, snapshot_uuid(its.id), dm::Visibility::shown, its.name));
		Bytes total{0};
		if (its.kind != SpaceKind::volume_group)
			total = space_size(its);
		draft.add(step::load(its.name, snapshot_table(its, row, base, "{" + value + "}", total, false), its.read_only, "", false));
	}
	std::string table = origin_table(row, base);
	if (merging) {
		attach_space(draft, *merging, "space of " + merging->name);
		table = snapshot_table(*merging, row, base, "{space of " + merging->name + "}", Bytes{0}, true);
	}
	std::vector<Turn> turns;
	const bool writable_again = up && head->read_only && !read_only;
	if (writable_again) {
		const std::string now = dm::format_table(mapper_.table(DmName{row.dm_name}));
		draft.add(step::load(row.dm_name, now, false, now, true));
		turns.push_back({Turn::What::hold, row.dm_name});
	} else if (up) {
		turns.push_back({Turn::What::suspend, row.dm_name});
	} else if (row.taken_over) {
		draft.add(step::load(row.dm_name, table, read_only, "@" + inner_name(row.name).str(), head->read_only));
		turns.push_back({Turn::What::hold, row.dm_name});
	} else {
		draft.add(step::create_device(row.dm_name, origin_uuid(row.id), dm::Visibility::shown, "device of " + row.name));
		draft.add(step::load(row.dm_name, table, read_only, "", false));
	}
	for (const SnapshotRow& its : coming)
		turns.push_back({Turn::What::start, its.name});
	const bool swapped = writable_again || (!up && row.taken_over);
	turns.push_back({swapped ? Turn::What::swap : up ? Turn::What::resume : Turn::What::start, row.dm_name});
	draft.add(step::section(turns));
	draft.commit = draft.steps.size();
	for (const SnapshotRow& its : coming)
		draft.events.emplace_back(EventKind::activated, its.name);
	draft.outcome.text = row.name + " is active, with " + std::to_string(coming.size()) + (coming.size() == 1 ? " snapshot" : " snapshots") +
			     (merging ? ", and goes on with merging " + merging->name : "") +
			     (writable_again ? "; it is writable again: where it was mounted read-only meanwhile, `mount -o remount,rw`" : "");
	return draft;
}

} // namespace snapctl::engine
