// SPDX-License-Identifier: GPL-2.0-or-later
//
// A machine in memory: disks, a file system per mount point, loop devices, a
// volume group or two. Tells when anything is touched while a device is suspended.
#pragma once

#include <map>

#include "base/fuse.h"
#include "dm/sim_mapper.h"
#include "engine/host.h"

namespace snapctl::engine {

class SimHost final : public Host {
public:
	SimHost(Fuse& fuse, dm::SimMapper& mapper) : fuse_{fuse}, mapper_{mapper} {}

	// ---- what a test or a demonstration builds --------------------------------
	DeviceNumber add_disk(const std::string& path, Bytes size, Bytes block = Bytes{512});
	void grow_disk(const std::string& path, Bytes size);
	// A folder that is the root of a file system on a device ("" for none), with room.
	void add_mount(const std::string& folder, const std::string& device, Bytes room);
	void add_volume_group(const std::string& name, Bytes room, const std::vector<std::string>& devices);
	void set_in_use(const std::string& path, bool in_use) { in_use_[path] = in_use; }
	void set_lasting_path(const std::string& path, const std::string& lasting) { lasting_[path] = lasting; }
	// Instead of the store that the kernel would have written; "": of nothing.
	void set_content(const std::string& path, std::string name) { contents_[path] = std::move(name); }
	void forget_content(const std::string& path) { contents_.erase(path); }
	void advance(std::chrono::microseconds time) { elapsed_ += time; }
	void reboot(); // loop devices go

	// What is there: files, loops, volumes. To compare before and after.
	[[nodiscard]] std::string dump() const;
	// Changes made while a device was suspended: must stay empty.
	[[nodiscard]] const std::vector<std::string>& violations() const noexcept { return violations_; }
	KernelFacts kernel{"6.12.0", true, true};
	ModuleFacts facts{true, true, true, false, "simulated", "/lib/modules/dm-snapshot.ko", true};
	std::string other_snapctl_path;

	// ---- Host -------------------------------------------------------------------
	BlockDevice block_device(const std::string& path) override;
	std::optional<BlockDevice> find_device(DeviceNumber number) override;
	std::set<DeviceNumber> stack_below(DeviceNumber number) override;
	std::set<DeviceNumber> stack_of_path(const std::string& path) override;
	std::string lasting_path(const std::string& path) override;
	bool is_mounted_writable(DeviceNumber number) override;
	bool in_use(const std::string& path) override;
	std::optional<std::string> find_content(const std::string& path) override;
	std::vector<std::byte> read_start(const std::string& path, std::size_t bytes) override;
	void wipe_start(const std::string& path, Bytes bytes) override;
	void make_directory(const std::string& path) override;
	Bytes free_space(const std::string& directory) override;
	void create_file(const std::string& path, Bytes size) override;
	void grow_file(const std::string& path, Bytes size) override;
	void remove_file(const std::string& path) override;
	std::optional<Bytes> file_size(const std::string& path) override;
	DeviceNumber attach_loop(const std::string& path) override;
	void detach_loop(const std::string& path) override;
	std::optional<DeviceNumber> find_loop(const std::string& path) override;
	void resize_loop(const std::string& path) override;
	bool loop_is_direct(DeviceNumber) override { return true; }
	VolumeGroup volume_group(const std::string& name) override;
	void create_volume(const std::string& volume, Bytes size) override;
	void extend_volume(const std::string& volume, Bytes size) override;
	void remove_volume(const std::string& volume) override;
	void activate_volume(const std::string& volume) override;
	void deactivate_volume(const std::string& volume) override;
	void activate_mapped_volume(const std::string&) override {}
	ModuleFacts module_facts() override { return facts; }
	KernelFacts kernel_facts() override { return kernel; }
	std::string other_snapctl() override { return other_snapctl_path; }
	std::chrono::system_clock::time_point now() override;
	std::chrono::steady_clock::time_point clock() override;
	void pause(std::chrono::milliseconds time) override { elapsed_ += time; }
	std::string new_id() override;
	std::string boot_id() override { return "boot " + std::to_string(boots_); }

private:
	struct Disk {
		DeviceNumber number;
		Bytes size, block;
	};
	struct Mount {
		std::string device;
		Bytes room;
	};
	struct Group {
		Bytes room;
		std::vector<std::string> devices;
	};
	struct Volume {
		Bytes size;
		DeviceNumber number;
	};

	template <class Change>
	auto touch(const std::string& what, Change change)
	{
		if (!fuse_.dead && mapper_.anything_suspended())
			violations_.push_back(what);
		return fuse_.burn(what, change);
	}
	std::pair<const std::string, Mount>& mount_of(const std::string& path);
	Bytes taken(const std::string& folder);

	Fuse& fuse_;
	dm::SimMapper& mapper_;
	std::map<std::string, Disk> disks_;
	std::map<std::string, Mount> mounts_;
	std::map<std::string, Bytes> files_;
	std::map<std::string, DeviceNumber> loops_;
	std::map<std::string, Group> groups_;
	std::map<std::string, Volume> volumes_;
	std::map<std::string, bool> in_use_;
	std::map<std::string, std::string> lasting_;
	std::map<std::string, std::string> contents_;
	std::vector<std::string> violations_;
	std::chrono::microseconds elapsed_{0};
	std::uint32_t next_disk_ = 1, next_volume_ = 1;
	std::uint64_t next_id_ = 1;
	int boots_ = 1;
};

} // namespace snapctl::engine
