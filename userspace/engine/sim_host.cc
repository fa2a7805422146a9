// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/sim_host.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "store/header.h"

namespace snapctl::engine {

namespace {

constexpr std::uint32_t disk_major = 8, loop_major = 7, volume_major = 252;

bool is_under(const std::string& path, const std::string& folder)
{
	return path == folder || (path.starts_with(folder) && (folder == "/" || path[folder.size()] == '/'));
}

} // namespace

DeviceNumber SimHost::add_disk(const std::string& path, Bytes size, Bytes block)
{
	const DeviceNumber number{disk_major, next_disk_++ * 16};
	disks_[path] = {number, size, block};
	mapper_.add_block_device(number, size, path);
	return number;
}

void SimHost::grow_disk(const std::string& path, Bytes size)
{
	disks_.at(path).size = size;
	mapper_.resize_block_device(disks_.at(path).number, size);
}

void SimHost::add_mount(const std::string& folder, const std::string& device, Bytes room)
{
	mounts_[folder] = {device, room};
}

void SimHost::add_volume_group(const std::string& name, Bytes room, const std::vector<std::string>& devices)
{
	groups_[name] = {room, devices};
}

void SimHost::reboot()
{
	boots_++;
	for (const auto& [path, number] : loops_)
		mapper_.drop_block_device(number);
	loops_.clear();
}

std::string SimHost::dump() const
{
	std::string text;
	for (const auto& [path, size] : files_)
		text += "file " + path + " " + std::to_string(size.count) + "\n";
	for (const auto& [path, number] : loops_)
		text += "loop " + path + "\n";
	for (const auto& [name, volume] : volumes_)
		text += "volume " + name + " " + std::to_string(volume.size.count) + "\n";
	return text;
}

BlockDevice SimHost::block_device(const std::string& path)
{
	if (const auto disk = disks_.find(path); disk != disks_.end())
		return {path, disk->second.number, disk->second.size, disk->second.block, false};
	for (const auto& [name, volume] : volumes_)
		if (path == "/dev/" + name)
			return {path, volume.number, volume.size, Bytes{512}, false};
	if (path.starts_with("/dev/loop"))
		for (const auto& [file, number] : loops_)
			if (path == "/dev/loop" + std::to_string(number.minor))
				return {path, number, files_.at(file), Bytes{512}, false};
	if (path.starts_with("/dev/mapper/") && is_dm_text(path.substr(12)) && path.size() > 12)
		if (const auto info = mapper_.info(DmName{path.substr(12)}); info && info->live_table)
			return {path, info->number, *mapper_.size_of(info->number), Bytes{512}, info->read_only};
	throw Error::from_errno(ENOENT, "block device", path);
}

std::optional<BlockDevice> SimHost::find_device(DeviceNumber number)
{
	for (const auto& [path, disk] : disks_)
		if (disk.number == number)
			return block_device(path);
	for (const auto& [name, volume] : volumes_)
		if (volume.number == number)
			return block_device("/dev/" + name);
	for (const auto& [file, loop] : loops_)
		if (loop == number)
			return block_device("/dev/loop" + std::to_string(number.minor));
	if (const auto name = mapper_.name_of(number))
		return block_device("/dev/mapper/" + *name);
	return std::nullopt;
}

std::set<DeviceNumber> SimHost::stack_below(DeviceNumber number)
{
	std::set<DeviceNumber> found{number};
	const auto add = [&](const std::set<DeviceNumber>& more) { found.insert(more.begin(), more.end()); };
	for (const auto& [file, loop] : loops_)
		if (loop == number)
			add(stack_of_path(file));
	for (const auto& [name, volume] : volumes_)
		if (volume.number == number)
			for (const std::string& device : groups_.at(name.substr(0, name.find('/'))).devices)
				add(stack_below(block_device(device).number));
	const auto name = mapper_.name_of(number);
	if (!name)
		return found;
	for (const dm::Target& target : mapper_.table(DmName{*name})) {
		std::vector<std::string> used;
		if (const auto* origin = std::get_if<dm::SnapshotOrigin>(&target.what))
			used = {origin->origin};
		else if (const auto* snapshot = std::get_if<dm::Snapshot>(&target.what))
			used = {snapshot->origin, snapshot->cow};
		else if (const auto* linear = std::get_if<dm::Linear>(&target.what))
			used = {linear->device};
		for (const std::string& device : used)
			if (const auto its = dm::parse_device_number(device))
				add(stack_below(*its));
	}
	return found;
}

std::pair<const std::string, SimHost::Mount>& SimHost::mount_of(const std::string& path)
{
	std::pair<const std::string, Mount>* best = nullptr;
	for (auto& entry : mounts_)
		if (is_under(path, entry.first) && (best == nullptr || entry.first.size() > best->first.size()))
			best = &entry;
	if (best == nullptr)
		throw Error::from_errno(ENOENT, "file system", path);
	return *best;
}

Bytes SimHost::taken(const std::string& folder)
{
	Bytes sum;
	for (const auto& [path, size] : files_)
		if (mount_of(path).first == folder)
			sum = sum + size;
	return sum;
}

std::set<DeviceNumber> SimHost::stack_of_path(const std::string& path)
{
	const Mount& mount = mount_of(path).second;
	if (mount.device.empty())
		return {};
	return stack_below(block_device(mount.device).number);
}

bool SimHost::in_use(const std::string& path)
{
	const auto found = in_use_.find(path);
	return found != in_use_.end() && found->second;
}

std::string SimHost::lasting_path(const std::string& path)
{
	const auto found = lasting_.find(path);
	return found != lasting_.end() ? found->second : path;
}

bool SimHost::is_mounted_writable(DeviceNumber number)
{
	return std::any_of(mounts_.begin(), mounts_.end(), [&](const auto& mount) {
		try {
			return !mount.second.device.empty() && stack_below(block_device(mount.second.device).number).contains(number);
		} catch (const Error&) {
			return false; // not mounted again after a reboot
		}
	});
}

std::optional<std::string> SimHost::find_content(const std::string& path)
{
	const auto set = contents_.find(path);
	if (set != contents_.end())
		return set->second.empty() ? std::nullopt : std::optional{set->second};
	return store::parse_header(read_start(path, store::header_bytes)) ? std::optional{"DM_snapshot_cow"} : std::nullopt;
}

std::vector<std::byte> SimHost::read_start(const std::string& path, std::size_t bytes)
{
	// A store has the header that the kernel would have written.
	std::vector<std::byte> start;
	if (!contents_.contains(path))
		start = mapper_.start_of_store(path);
	start.resize(bytes);
	return start;
}

void SimHost::wipe_start(const std::string& path, Bytes)
{
	touch("wipe " + path, [&] {
		contents_.erase(path);
		mapper_.wipe_store(path);
	});
}

void SimHost::make_directory(const std::string& path) { mount_of(path); }

Bytes SimHost::free_space(const std::string& directory)
{
	const auto& [folder, mount] = mount_of(directory);
	return mount.room - taken(folder);
}

void SimHost::create_file(const std::string& path, Bytes size)
{
	touch("create file " + path, [&] {
		if (files_.count(path) > 0)
			throw Error::from_errno(EEXIST, "create file", path);
		if (free_space(path) < size)
			throw Error::from_errno(ENOSPC, "create file", path);
		files_[path] = size;
		mapper_.wipe_store(path);
	});
}

void SimHost::grow_file(const std::string& path, Bytes size)
{
	touch("grow file " + path, [&] {
		Bytes& present = files_.at(path);
		if (size <= present)
			return;
		if (free_space(path) < size - present)
			throw Error::from_errno(ENOSPC, "grow file", path);
		present = size;
	});
}

void SimHost::remove_file(const std::string& path)
{
	touch("remove file " + path, [&] {
		files_.erase(path);
		mapper_.wipe_store(path);
	});
}

std::optional<Bytes> SimHost::file_size(const std::string& path)
{
	const auto found = files_.find(path);
	if (found == files_.end())
		return std::nullopt;
	return found->second;
}

DeviceNumber SimHost::attach_loop(const std::string& path)
{
	return touch("attach loop " + path, [&] {
		if (const auto loop = find_loop(path))
			return *loop;
		if (files_.count(path) == 0)
			throw Error::from_errno(ENOENT, "attach loop", path);
		std::uint32_t minor = 0;
		while (mapper_.size_of({loop_major, minor}))
			minor++;
		const DeviceNumber number{loop_major, minor};
		loops_[path] = number;
		mapper_.add_block_device(number, files_.at(path), path);
		return number;
	});
}

void SimHost::detach_loop(const std::string& path)
{
	touch("detach loop " + path, [&] {
		if (const auto loop = find_loop(path))
			mapper_.drop_block_device(*loop);
		loops_.erase(path);
	});
}

std::optional<DeviceNumber> SimHost::find_loop(const std::string& path)
{
	const auto found = loops_.find(path);
	if (found == loops_.end())
		return std::nullopt;
	return found->second;
}

void SimHost::resize_loop(const std::string& path)
{
	touch("resize loop " + path, [&] { mapper_.resize_block_device(loops_.at(path), files_.at(path)); });
}

Host::VolumeGroup SimHost::volume_group(const std::string& name)
{
	const auto found = groups_.find(name);
	if (found == groups_.end())
		throw Error{Failure::not_found, "volume group", name, "there is none of this name"};
	return {found->second.room, Bytes{4 << 20}, found->second.devices};
}

void SimHost::create_volume(const std::string& volume, Bytes size)
{
	touch("create volume " + volume, [&] {
		Group& group = groups_.at(volume.substr(0, volume.find('/')));
		if (volumes_.count(volume) > 0)
			throw Error::from_errno(EEXIST, "create volume", volume);
		if (group.room < size)
			throw Error::from_errno(ENOSPC, "create volume", volume);
		group.room = group.room - size;
		const DeviceNumber number{volume_major, next_volume_++};
		volumes_[volume] = {size, number};
		mapper_.add_block_device(number, size, "/dev/" + volume);
	});
}

void SimHost::extend_volume(const std::string& volume, Bytes size)
{
	touch("extend volume " + volume, [&] {
		Group& group = groups_.at(volume.substr(0, volume.find('/')));
		Volume& its = volumes_.at(volume);
		if (size <= its.size)
			return;
		if (group.room < size - its.size)
			throw Error::from_errno(ENOSPC, "extend volume", volume);
		group.room = group.room - (size - its.size);
		its.size = size;
		mapper_.resize_block_device(its.number, size);
	});
}

void SimHost::remove_volume(const std::string& volume)
{
	touch("remove volume " + volume, [&] {
		const auto found = volumes_.find(volume);
		if (found == volumes_.end())
			return;
		Group& group = groups_.at(volume.substr(0, volume.find('/')));
		group.room = group.room + found->second.size;
		mapper_.drop_block_device(found->second.number);
		mapper_.wipe_store("/dev/" + volume);
		volumes_.erase(found);
	});
}

void SimHost::activate_volume(const std::string& volume)
{
	touch("activate volume " + volume, [&] {
		if (volumes_.count(volume) == 0)
			throw Error::from_errno(ENOENT, "activate volume", volume);
	});
}

void SimHost::deactivate_volume(const std::string& volume)
{
	touch("deactivate volume " + volume, [] {});
}

std::chrono::system_clock::time_point SimHost::now()
{
	// A fixed day, so that outputs can be compared.
	return std::chrono::system_clock::time_point{std::chrono::seconds{1767225600}} + elapsed_;
}

std::chrono::steady_clock::time_point SimHost::clock()
{
	// Every look at the clock takes 10 microseconds.
	elapsed_ += std::chrono::microseconds{10};
	return std::chrono::steady_clock::time_point{elapsed_};
}

std::string SimHost::new_id()
{
	char text[33];
	// Differs in its first digits, like a random one.
	const unsigned long long id = next_id_++;
	std::snprintf(text, sizeof(text), "%08llx%024llx", (id * 2654435761ull) & 0xffffffffull, id);
	return text;
}

} // namespace snapctl::engine
