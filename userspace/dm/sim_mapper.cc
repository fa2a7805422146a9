// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm/sim_mapper.h"

#include <algorithm>
#include <cerrno>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/text.h"

namespace snapctl::dm {

namespace {

constexpr std::uint32_t dm_major = 253;

Error failure(int number, const char* context, const std::string& object)
{
	return Error::from_errno(number, context, object);
}

// The devices that a line opens.
std::vector<std::string> devices_of(const Target& target)
{
	if (const auto* origin = std::get_if<SnapshotOrigin>(&target.what))
		return {origin->origin};
	if (const auto* snapshot = std::get_if<Snapshot>(&target.what))
		return {snapshot->origin, snapshot->cow};
	if (const auto* linear = std::get_if<Linear>(&target.what))
		return {linear->device};
	std::vector<std::string> found;
	for (const std::string& word : split_words(std::get<OtherTarget>(target.what).params))
		if (parse_device_number(word))
			found.push_back(word);
	return found;
}

} // namespace

SimMapper::SimMapper(Fuse& fuse) : fuse_{fuse}, event_fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {}

SimMapper::Device& SimMapper::at(const DmName& name, const char* context)
{
	const auto found = devices_.find(name);
	if (found == devices_.end())
		throw failure(ENXIO, context, name.str());
	return found->second;
}

const SimMapper::Device* SimMapper::find(DeviceNumber number) const
{
	if (number.major != dm_major)
		return nullptr;
	for (const auto& [name, device] : devices_)
		if (device.minor == number.minor)
			return &device;
	return nullptr;
}

std::optional<Bytes> SimMapper::size_of(DeviceNumber number) const
{
	if (const Device* device = find(number); device != nullptr && device->live)
		return to_bytes(length_of(device->live->table));
	const auto found = block_devices_.find(number);
	if (found == block_devices_.end())
		return std::nullopt;
	return found->second.size;
}

std::string SimMapper::identity_of(const std::string& text) const
{
	const auto number = parse_device_number(text);
	if (!number)
		return text;
	const auto found = block_devices_.find(*number);
	return found == block_devices_.end() ? text : found->second.identity;
}

std::uint32_t SimMapper::holders(std::uint32_t minor) const
{
	const std::string number = DeviceNumber{dm_major, minor}.str();
	std::uint32_t count = 0;
	for (const auto& [name, device] : devices_)
		for (const auto* slot : {&device.live, &device.inactive})
			if (*slot)
				for (const Target& target : (*slot)->table)
					for (const std::string& used : devices_of(target))
						count += used == number;
	return count;
}

void SimMapper::check_table(const Table& table, const DmName& name) const
{
	if (table.empty())
		throw failure(EINVAL, "load table", name.str());
	for (const Target& target : table) {
		for (const std::string& used : devices_of(target)) {
			const auto number = parse_device_number(used);
			if (!number || !size_of(*number))
				throw failure(ENODEV, "load table", name.str() + ": " + used);
		}
		const auto* snapshot = std::get_if<Snapshot>(&target.what);
		if (snapshot == nullptr)
			continue;
		if (snapshot->origin == snapshot->cow ||
		    (snapshot->merge && snapshot->persistence == Persistence::transient))
			throw failure(EINVAL, "load table", name.str());
		for (const Feature& feature : snapshot->features)
			if (!module_is_ours && !feature.name.starts_with("discard_"))
				throw failure(EINVAL, "load table", name.str() + ": " + feature.name);
	}
}

void SimMapper::create(const DmName& name, const DmUuid& uuid, Visibility)
{
	fuse_.burn("create " + name.str(), [&] {
		for (const auto& [other, device] : devices_)
			if (other == name || (!uuid.empty() && device.uuid == uuid))
				throw failure(EBUSY, "create device", name.str());
		Device device;
		device.uuid = uuid;
		device.minor = next_minor_++;
		devices_.emplace(name, std::move(device));
	});
}

void SimMapper::load(const DmName& name, const Table& table, bool read_only)
{
	fuse_.burn("load " + name.str(), [&] {
		Device& device = at(name, "load table");
		check_table(table, name);
		device.inactive = Slot{table, read_only};
	});
}

void SimMapper::clear(const DmName& name)
{
	fuse_.burn("clear " + name.str(), [&] { at(name, "clear table").inactive.reset(); });
}

void SimMapper::suspend(const DmName& name, SuspendFlags)
{
	fuse_.burn("suspend " + name.str(), [&] {
		Device& device = at(name, "suspend");
		if (!device.live)
			throw failure(EINVAL, "suspend", name.str());
		device.suspended = true;
	});
}

void SimMapper::resume(const DmName& name, Visibility)
{
	fuse_.burn("resume " + name.str(), [&] {
		Device& device = at(name, "resume");
		if (!device.inactive) {
			device.suspended = false;
			return;
		}
		for (const Target& target : device.inactive->table) {
			const auto* snapshot = std::get_if<Snapshot>(&target.what);
			if (snapshot == nullptr)
				continue;
			const std::string identity = identity_of(snapshot->cow);
			for (auto& [other, source] : devices_) {
				const auto* its = source.live ? only_target<Snapshot>(source.live->table) : nullptr;
				if (&source == &device || its == nullptr || source.handed_over ||
				    identity_of(its->cow) != identity)
					continue;
				if (!source.suspended)
					throw failure(EINVAL, "resume", name.str());
				source.handed_over = true;
			}
			Sectors chunk = snapshot->chunk;
			if (chunk.count == 0)
				chunk = Sectors{32};
			// The header and the first area.
			auto [place, fresh] = stores_.try_emplace(identity, Store{Sectors{2 * chunk.count}, Sectors{2 * chunk.count}, chunk, {}});
			// A reload over a larger device makes it writable again.
			if (!fresh && (place->second.state == StatusWord::overflow || place->second.state == StatusWord::merge_failed))
				place->second.state.reset();
		}
		device.live = std::move(device.inactive);
		device.inactive.reset();
		device.handed_over = false;
		device.suspended = false;
	});
}

void SimMapper::remove(const DmName& name)
{
	fuse_.burn("remove " + name.str(), [&] {
		const Device& device = at(name, "remove device");
		if (device.opened > 0 || holders(device.minor) > 0)
			throw failure(EBUSY, "remove device", name.str());
		if (device.live)
			if (const auto* snapshot = only_target<Snapshot>(device.live->table);
			    snapshot != nullptr && snapshot->persistence == Persistence::transient)
				stores_.erase(identity_of(snapshot->cow));
		devices_.erase(name);
	});
}

void SimMapper::rename(const DmName& name, const DmName& to)
{
	fuse_.burn("rename " + name.str() + " " + to.str(), [&] {
		at(name, "rename device");
		if (devices_.count(to) > 0)
			throw failure(EBUSY, "rename device", to.str());
		auto node = devices_.extract(name);
		node.key() = to;
		devices_.insert(std::move(node));
	});
}

std::string SimMapper::message(const DmName& name, const std::string& text)
{
	return fuse_.burn("message " + name.str() + " " + text, [&]() -> std::string {
		const Device& device = at(name, "message");
		if (!module_is_ours || !device.live || only_target<Snapshot>(device.live->table) == nullptr)
			throw failure(EINVAL, "message", name.str());
		messages_.push_back(name.str() + ": " + text);
		if (text == "stats")
			return "exceptions=3 copies=2 copied_sectors=96";
		return {};
	});
}

void SimMapper::settle()
{
	// Counted as a change: udev reads devices, none of which may stand still.
	fuse_.burn("settle", [&] {
		if (anything_suspended())
			throw failure(EDEADLK, "settle", "a device is suspended");
	});
}

std::optional<DeviceInfo> SimMapper::info(const DmName& name)
{
	const auto found = devices_.find(name);
	if (found == devices_.end())
		return std::nullopt;
	const Device& device = found->second;
	DeviceInfo info;
	info.uuid = device.uuid;
	info.number = {dm_major, device.minor};
	info.suspended = device.suspended;
	info.read_only = device.live && device.live->read_only;
	info.live_table = device.live.has_value();
	info.inactive_table = device.inactive.has_value();
	info.open_count = device.opened + holders(device.minor);
	info.event_nr = device.event_nr;
	return info;
}

Table SimMapper::table(const DmName& name)
{
	const Device& device = at(name, "table");
	return device.live ? device.live->table : Table{};
}

std::vector<StatusLine> SimMapper::status(const DmName& name)
{
	const Device& device = at(name, "status");
	std::vector<StatusLine> lines;
	if (!device.live)
		return lines;
	for (const Target& target : device.live->table) {
		StatusLine line{target.start, target.length, type_of(target), ""};
		if (const auto* snapshot = std::get_if<Snapshot>(&target.what)) {
			const auto store = stores_.find(identity_of(snapshot->cow));
			const auto size = parse_device_number(snapshot->cow)
						  ? size_of(*parse_device_number(snapshot->cow)) : std::nullopt;
			if (device.handed_over || store == stores_.end() || !size)
				line.text = format_snapshot_status(StatusWord::invalid);
			else if (store->second.state)
				line.text = format_snapshot_status(*store->second.state);
			else
				line.text = format_snapshot_status(UsageStatus{
					store->second.allocated, Sectors{size->count / 512}, store->second.metadata});
		}
		lines.push_back(std::move(line));
	}
	return lines;
}

std::vector<ListedDevice> SimMapper::list()
{
	std::vector<ListedDevice> found;
	for (const auto& [name, device] : devices_)
		found.push_back({name.str(), {dm_major, device.minor}});
	return found;
}

std::vector<TargetVersion> SimMapper::targets()
{
	if (module_is_ours)
		return {{"linear", 1, 4, 0}, {"snapshot", 1, 17, 0}, {"snapshot-origin", 1, 10, 0}, {"snapshot-merge", 1, 6, 0}};
	return {{"linear", 1, 4, 0}, {"snapshot", 1, 16, 0}, {"snapshot-origin", 1, 9, 0}, {"snapshot-merge", 1, 5, 0}};
}

void SimMapper::arm()
{
	std::uint64_t count = 0;
	while (::read(event_fd_.get(), &count, sizeof(count)) > 0)
		;
}

void SimMapper::load_target(const std::string&) {}

void SimMapper::add_block_device(DeviceNumber number, Bytes size, const std::string& identity)
{
	block_devices_[number] = {size, identity};
}

void SimMapper::drop_block_device(DeviceNumber number) { block_devices_.erase(number); }

void SimMapper::resize_block_device(DeviceNumber number, Bytes size) { block_devices_.at(number).size = size; }

SimMapper::Store& SimMapper::store_of(const DmName& name)
{
	const Device& device = at(name, "simulation");
	return stores_.at(identity_of(only_target<Snapshot>(device.live->table)->cow));
}

std::vector<std::byte> SimMapper::start_of_store(const std::string& identity) const
{
	const auto store = stores_.find(identity);
	if (store == stores_.end())
		return {};
	// docs/format-v1.md
	const bool valid = store->second.state != StatusWord::invalid;
	std::vector<std::byte> start;
	for (const std::uint64_t word : {std::uint64_t{0x70416e53}, std::uint64_t{valid}, std::uint64_t{1}, store->second.chunk.count})
		for (unsigned shift = 0; shift < 32; shift += 8)
			start.push_back(static_cast<std::byte>(word >> shift & 0xff));
	return start;
}

void SimMapper::set_used(const DmName& name, Bytes allocated)
{
	store_of(name).allocated = to_sectors(allocated);
	raise_event(name);
}

void SimMapper::set_state(const DmName& name, std::optional<StatusWord> state)
{
	store_of(name).state = state;
	raise_event(name);
}

void SimMapper::set_open(const DmName& name, std::uint32_t count) { at(name, "simulation").opened = count; }

void SimMapper::raise_event(const DmName& name)
{
	at(name, "simulation").event_nr++;
	const std::uint64_t one = 1;
	(void)!::write(event_fd_.get(), &one, sizeof(one));
}

bool SimMapper::anything_suspended() const noexcept
{
	return std::any_of(devices_.begin(), devices_.end(), [](const auto& entry) { return entry.second.suspended; });
}

std::string SimMapper::dump() const
{
	std::string text;
	for (const auto& [name, device] : devices_) {
		text += name.str() + " " + device.uuid.str() + (device.suspended ? " suspended" : "") +
			(device.handed_over ? " handed-over" : "") + "\n";
		if (device.live)
			text += std::string{device.live->read_only ? "  ro\n" : ""} + "  live " + format_table(device.live->table);
		if (device.inactive)
			text += "  inactive " + format_table(device.inactive->table);
	}
	return text;
}

void SimMapper::reboot()
{
	// What LVM2 made comes back as LVM2 knows it: with the table that is under ours.
	for (auto& [name, device] : devices_) {
		device.suspended = device.handed_over = false;
		device.inactive.reset();
		device.opened = 0;
		const dm::Table table = device.live ? device.live->table : Table{};
		const auto* origin = only_target<SnapshotOrigin>(table);
		const auto* merge = only_target<Snapshot>(table);
		const auto number = parse_device_number(origin != nullptr ? origin->origin : merge != nullptr ? merge->origin : "");
		if (const Device* inner = number ? find(*number) : nullptr; inner != nullptr && inner->live)
			device.live = inner->live;
	}
	for (auto it = devices_.begin(); it != devices_.end();)
		it = it->second.uuid.str().starts_with("LVM-") ? std::next(it) : devices_.erase(it);
}

} // namespace snapctl::dm
