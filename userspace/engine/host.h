// SPDX-License-Identifier: GPL-2.0-or-later
//
// The machine around device-mapper: files, loop devices, LVM2, /sys. Two of
// them: the system's own, and SimHost in memory. Calls throw Error. What undoes
// something (remove_, detach_) does nothing when there is nothing to undo.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/units.h"
#include "dm/tables.h"

namespace snapctl::engine {

using dm::DeviceNumber;

struct BlockDevice {
	std::string path;
	DeviceNumber number;
	Bytes size;
	Bytes block; // logical
	bool read_only = false;
};

struct ModuleFacts {
	bool loaded = false;
	bool known = false;       // modprobe would find one
	bool ours = false;        // the one that is loaded, or else would be
	bool stale = false;       // another one is loaded than modprobe would load now
	std::string version;      // "" when it says none
	std::string path;
	std::optional<bool> is_signed;
};

// Of a device that becomes a store or was one: what others might take for a file system lies
// there, besides the header.
inline constexpr Bytes wiped_bytes{128 << 10};

struct KernelFacts {
	std::string release; // uname -r
	bool has_mapper = false;
	bool has_loop = false;
};

class Host {
public:
	Host() = default;
	Host(const Host&) = delete;
	Host& operator=(const Host&) = delete;
	virtual ~Host() = default;

	// ---- block devices -------------------------------------------------------
	[[nodiscard]] virtual BlockDevice block_device(const std::string& path) = 0;
	// None: there is no such device now.
	[[nodiscard]] virtual std::optional<BlockDevice> find_device(DeviceNumber number) = 0;
	// The device and everything that it lies on, down to the disks.
	[[nodiscard]] virtual std::set<DeviceNumber> stack_below(DeviceNumber number) = 0;
	// The same for the file system that holds a path; empty when it has no device.
	[[nodiscard]] virtual std::set<DeviceNumber> stack_of_path(const std::string& path) = 0;
	// The path by which it is found again when the kernel names its disks in another
	// order; the given one where there is none.
	[[nodiscard]] virtual std::string lasting_path(const std::string& path) = 0;
	// A file system that can be written, or swap, lies on it, whatever is in between.
	[[nodiscard]] virtual bool is_mounted_writable(DeviceNumber number) = 0;
	// Mounted, part of something, or opened for itself alone.
	[[nodiscard]] virtual bool in_use(const std::string& path) = 0;
	// A name of it, for a person; none: it seems to be free.
	[[nodiscard]] virtual std::optional<std::string> find_content(const std::string& path) = 0;
	[[nodiscard]] virtual std::vector<std::byte> read_start(const std::string& path, std::size_t bytes) = 0;
	virtual void wipe_start(const std::string& path, Bytes bytes) = 0;

	// ---- files and loop devices -------------------------------------------------
	virtual void make_directory(const std::string& path) = 0; // with those above it, 0700
	[[nodiscard]] virtual Bytes free_space(const std::string& directory) = 0;
	// All of it allocated, and durable.
	virtual void create_file(const std::string& path, Bytes size) = 0;
	virtual void grow_file(const std::string& path, Bytes size) = 0;
	virtual void remove_file(const std::string& path) = 0;
	[[nodiscard]] virtual std::optional<Bytes> file_size(const std::string& path) = 0;
	// With direct I/O where the file system can.
	virtual DeviceNumber attach_loop(const std::string& path) = 0;
	virtual void detach_loop(const std::string& path) = 0;
	[[nodiscard]] virtual std::optional<DeviceNumber> find_loop(const std::string& path) = 0;
	virtual void resize_loop(const std::string& path) = 0;
	[[nodiscard]] virtual bool loop_is_direct(DeviceNumber number) = 0;

	// ---- LVM2 -----------------------------------------------------------------
	struct VolumeGroup {
		Bytes free, extent;
		std::vector<std::string> devices;
	};
	[[nodiscard]] virtual VolumeGroup volume_group(const std::string& name) = 0;
	// A volume is VG/LV.
	virtual void create_volume(const std::string& volume, Bytes size) = 0;
	virtual void extend_volume(const std::string& volume, Bytes size) = 0;
	virtual void remove_volume(const std::string& volume) = 0;
	virtual void activate_volume(const std::string& volume) = 0;
	virtual void deactivate_volume(const std::string& volume) = 0;
	// The volume whose device-mapper device has this name, if it is one; at boot LVM2 may be late.
	virtual void activate_mapped_volume(const std::string& dm_name) = 0;

	// ---- the rest ---------------------------------------------------------------
	[[nodiscard]] virtual ModuleFacts module_facts() = 0;
	[[nodiscard]] virtual KernelFacts kernel_facts() = 0;
	// The path of another program named snapctl that comes first in the usual PATH; "" if none.
	[[nodiscard]] virtual std::string other_snapctl() = 0;
	[[nodiscard]] virtual std::chrono::system_clock::time_point now() = 0;
	[[nodiscard]] virtual std::chrono::steady_clock::time_point clock() = 0;
	virtual void pause(std::chrono::milliseconds time) = 0;
	[[nodiscard]] virtual std::string new_id() = 0; // 32 hexadecimal digits
	// Another one after each restart of the machine.
	[[nodiscard]] virtual std::string boot_id() = 0;
};

[[nodiscard]] std::unique_ptr<Host> make_system_host();

} // namespace snapctl::engine
