// SPDX-License-Identifier: GPL-2.0-or-later
//
// This machine: /sys, loop devices, files, LVM2's commands, libkmod.
#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <libkmod.h>
#include <linux/fs.h>
#include <linux/loop.h>

#include "base/error.h"
#include "base/mounts.h"
#include "base/names.h"
#include "base/subprocess.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "engine/content.h"
#include "engine/host.h"

namespace snapctl::engine {

namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t loop_major = 7;

// The first line of a file of /sys; "" when it is not there.
std::string read_line(const std::string& path)
{
	std::ifstream file{path};
	std::string line;
	std::getline(file, line);
	return line;
}

DeviceNumber number_of(dev_t device) { return {major(device), minor(device)}; }

std::string sys_path(DeviceNumber number) { return "/sys/dev/block/" + number.str(); }

struct stat status_of(const std::string& path, const char* context)
{
	struct stat status {};
	if (::stat(path.c_str(), &status) != 0)
		throw Error::from_errno(errno, context, path);
	return status;
}

std::string parent_of(const std::string& path)
{
	const auto slash = path.rfind('/');
	return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

void sync_folder(const std::string& path)
{
	const UniqueFd folder = open_file(path, O_RDONLY | O_DIRECTORY, "sync folder");
	if (::fsync(folder.get()) != 0)
		throw Error::from_errno(errno, "sync folder", path);
}

void write_zeroes(int fd, std::uint64_t from, std::uint64_t to, const std::string& path)
{
	static const std::array<char, 1 << 20> zeroes{};
	while (from < to) {
		const ssize_t wrote = ::pwrite(fd, zeroes.data(), std::min<std::uint64_t>(zeroes.size(), to - from), static_cast<off_t>(from));
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			throw Error::from_errno(errno, "write zeroes", path);
		from += static_cast<std::uint64_t>(wrote);
	}
}

void allocate(int fd, std::uint64_t from, std::uint64_t to, const std::string& path)
{
	int result = 0;
	do
		result = ::fallocate(fd, 0, static_cast<off_t>(from), static_cast<off_t>(to - from));
	while (result != 0 && errno == EINTR);
	if (result == 0)
		return;
	if (errno != EOPNOTSUPP)
		throw Error::from_errno(errno, "allocate file", path);
	write_zeroes(fd, from, to, path);
}

std::string loop_node(std::uint32_t minor) { return "/dev/loop" + std::to_string(minor); }

// The file of a loop device. The path in /sys is the one in the mount namespace that
// attached it: in another, or when that one has gone, it leads elsewhere or nowhere.
struct LoopFile {
	DeviceNumber file_system;
	std::uint64_t inode;
};

std::optional<LoopFile> loop_file(std::uint32_t minor)
{
	const UniqueFd fd{::open(loop_node(minor).c_str(), O_RDONLY | O_CLOEXEC)};
	loop_info64 info{};
	if (fd.get() < 0 || ::ioctl(fd.get(), LOOP_GET_STATUS64, &info) != 0)
		return std::nullopt;
	return LoopFile{number_of(info.lo_device), info.lo_inode};
}

// A program of LVM2's. Its complaint is the reason.
std::string run_lvm(const std::vector<std::string>& argv, const char* context, const std::string& object)
{
	const ProgramResult result = run_program(argv);
	if (result.status == 0)
		return result.output;
	std::string reason{trim(result.errors)};
	reason = reason.substr(0, reason.find('\n'));
	throw Error{Failure::failed, context, object, reason.empty() ? argv[0] + " failed" : reason};
}

void check_lvm_name(const std::string& name)
{
	if (name.empty() || name[0] == '-' || !is_dm_text(name) || name.size() > dm_name_max)
		throw Error{Failure::refused, "volume group", name, "it is not a name that LVM2 takes"};
}

// Who can put another file in its place would be given what the volume holds.
void check_trusted(const std::string& folder)
{
	for (fs::path path = fs::canonical(folder);; path = path.parent_path()) {
		struct stat status {};
		if (::lstat(path.c_str(), &status) != 0)
			throw Error::from_errno(errno, "folder", path.string());
		const bool others_may_write = (status.st_mode & 022) != 0 && (status.st_mode & S_ISVTX) == 0;
		if (status.st_uid != ::geteuid() && status.st_uid != 0)
			throw Error{Failure::refused, "folder", folder, path.string() + " belongs to somebody else, who could put other files there",
				    "choose one of root's"};
		if (others_may_write)
			throw Error{Failure::refused, "folder", folder, "others may write to " + path.string() + ", and put other files there",
				    "choose one of root's, or `chmod go-w " + path.string() + "`"};
		if (path == path.root_path())
			return;
	}
}

class SystemHost final : public Host {
public:
	// ---- block devices -------------------------------------------------------
	BlockDevice block_device(const std::string& path) override
	{
		const struct stat status = status_of(path, "block device");
		if (!S_ISBLK(status.st_mode))
			throw Error{Failure::refused, "block device", path, "it is no block device"};
		auto found = find_device(number_of(status.st_rdev));
		if (!found)
			throw Error::from_errno(ENXIO, "block device", path);
		found->path = path;
		return *found;
	}

	std::optional<BlockDevice> find_device(DeviceNumber number) override
	{
		const std::string sys = sys_path(number);
		const auto sectors = parse_number(read_line(sys + "/size"));
		if (!sectors)
			return std::nullopt;
		BlockDevice device;
		device.number = number;
		device.size = to_bytes(Sectors{*sectors});
		device.read_only = read_line(sys + "/ro") == "1";
		// A partition has the queue of its disk.
		const std::string queue = fs::exists(sys + "/partition") ? sys + "/../queue" : sys + "/queue";
		device.block = Bytes{parse_number(read_line(queue + "/logical_block_size")).value_or(512)};
		std::ifstream uevent{sys + "/uevent"};
		for (std::string line; std::getline(uevent, line);)
			if (line.starts_with("DEVNAME="))
				device.path = "/dev/" + line.substr(8);
		const std::string mapped = read_line(sys + "/dm/name");
		if (!mapped.empty())
			device.path = "/dev/mapper/" + mapped;
		return device;
	}

	std::set<DeviceNumber> stack_below(DeviceNumber number) override
	{
		std::set<DeviceNumber> found;
		descend(number, found);
		return found;
	}

	std::set<DeviceNumber> stack_of_path(const std::string& path) override
	{
		std::set<DeviceNumber> found;
		descend_path(path, found);
		return found;
	}

	std::string lasting_path(const std::string& path) override
	{
		struct stat link {};
		if (::lstat(path.c_str(), &link) != 0 || !S_ISBLK(link.st_mode))
			return path; // a link was chosen by whoever gave it
		for (const char* folder : {"/dev/disk/by-id", "/dev/disk/by-partuuid", "/dev/disk/by-path"}) {
			std::set<std::string> found;
			std::error_code none;
			for (const auto& entry : fs::directory_iterator{folder, none}) {
				struct stat its {};
				// What LVM2 wrote on it is not the disk's own name.
				if (!entry.path().filename().string().starts_with("lvm-") && ::stat(entry.path().c_str(), &its) == 0 &&
				    S_ISBLK(its.st_mode) && its.st_rdev == link.st_rdev)
					found.insert(entry.path().string());
			}
			if (!found.empty())
				return *found.begin();
		}
		return path;
	}

	bool is_mounted_writable(DeviceNumber number) override
	{
		bool found = false;
		for (const Mount& mount : mounts()) {
			std::set<DeviceNumber> below;
			if (!found && mount.writable)
				descend_mount(mount, below);
			found = found || below.contains(number);
		}
		std::ifstream swaps{"/proc/swaps"};
		for (std::string line; !found && std::getline(swaps, line);) {
			struct stat its {};
			const std::string path = line.substr(0, line.find(' '));
			if (path.starts_with("/") && ::stat(path.c_str(), &its) == 0)
				found = (S_ISBLK(its.st_mode) ? stack_below(number_of(its.st_rdev)) : stack_of_path(path)).contains(number);
		}
		return found;
	}

	bool in_use(const std::string& path) override
	{
		const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC)};
		if (!fd && errno != EBUSY)
			throw Error::from_errno(errno, "block device", path);
		return !fd;
	}

	std::optional<std::string> find_content(const std::string& path) override { return engine::find_content(path); }

	std::vector<std::byte> read_start(const std::string& path, std::size_t bytes) override
	{
		const UniqueFd fd = open_file(path, O_RDONLY, "read device");
		std::vector<std::byte> data(bytes);
		std::size_t got = 0;
		while (got < bytes) {
			const ssize_t more = ::pread(fd.get(), data.data() + got, bytes - got, static_cast<off_t>(got));
			if (more < 0 && errno == EINTR)
				continue;
			if (more < 0)
				throw Error::from_errno(errno, "read device", path);
			if (more == 0)
				break;
			got += static_cast<std::size_t>(more);
		}
		data.resize(got);
		return data;
	}

	void wipe_start(const std::string& path, Bytes bytes) override
	{
		const UniqueFd fd = open_file(path, O_WRONLY, "wipe device");
		write_zeroes(fd.get(), 0, bytes.count, path);
		if (::fsync(fd.get()) != 0)
			throw Error::from_errno(errno, "wipe device", path);
	}

	// ---- files and loop devices -------------------------------------------------
	void make_directory(const std::string& path) override
	{
		std::string so_far;
		for (const fs::path& part : fs::path{path}) {
			so_far = (fs::path{so_far} / part).string();
			if (::mkdir(so_far.c_str(), 0700) != 0 && errno != EEXIST && !fs::is_directory(so_far))
				throw Error::from_errno(errno, "make folder", so_far);
		}
	}

	Bytes free_space(const std::string& directory) override
	{
		struct statvfs status {};
		const std::string existing = nearest(directory);
		if (::statvfs(existing.c_str(), &status) != 0)
			throw Error::from_errno(errno, "free space", directory);
		return Bytes{static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize};
	}

	void create_file(const std::string& path, Bytes size) override
	{
		make_directory(parent_of(path));
		check_trusted(parent_of(path));
		const UniqueFd fd = open_file(path, O_RDWR | O_CREAT | O_EXCL, "create file", 0600);
		allocate(fd.get(), 0, size.count, path);
		if (::fsync(fd.get()) != 0)
			throw Error::from_errno(errno, "create file", path);
		sync_folder(parent_of(path));
	}

	void grow_file(const std::string& path, Bytes size) override
	{
		const UniqueFd fd = open_file(path, O_RDWR | O_NOFOLLOW, "grow file");
		struct stat status {};
		if (::fstat(fd.get(), &status) != 0)
			throw Error::from_errno(errno, "grow file", path);
		const auto present = static_cast<std::uint64_t>(status.st_size);
		// Not synced: a snapshot waits. Its module flushes the loop device before it
		// relies on what it wrote there, and that makes the new size durable first.
		if (size.count > present)
			allocate(fd.get(), present, size.count, path);
	}

	void remove_file(const std::string& path) override
	{
		if (::unlink(path.c_str()) != 0 && errno != ENOENT)
			throw Error::from_errno(errno, "remove file", path);
	}

	std::optional<Bytes> file_size(const std::string& path) override
	{
		struct stat status {};
		if (::stat(path.c_str(), &status) != 0) {
			if (errno == ENOENT || errno == ENOTDIR)
				return std::nullopt;
			throw Error::from_errno(errno, "file", path);
		}
		return Bytes{static_cast<std::uint64_t>(status.st_size)};
	}

	DeviceNumber attach_loop(const std::string& path) override
	{
		if (const auto attached = find_loop(path))
			return *attached;
		const UniqueFd file{::open(path.c_str(), O_RDWR | O_DIRECT | O_NOFOLLOW | O_CLOEXEC)};
		if (!file && errno == EINVAL)
			throw Error{Failure::refused, "attach loop", path, "the file system that it is on has no direct I/O",
				    "choose a folder on another with --dir, or --vg or --cow"};
		if (!file)
			throw Error::from_errno(errno, "attach loop", path);
		const UniqueFd control = open_file("/dev/loop-control", O_RDWR, "attach loop");
		// Somebody may be faster with the free one: then there is another.
		for (int attempt = 0; attempt < 100; attempt++) {
			const int free = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
			if (free < 0)
				throw Error::from_errno(errno, "attach loop", path);
			const UniqueFd loop = open_file(loop_node(static_cast<std::uint32_t>(free)), O_RDWR, "attach loop");
			loop_config config{};
			config.fd = static_cast<std::uint32_t>(file.get());
			config.info.lo_flags = LO_FLAGS_DIRECT_IO;
			std::strncpy(reinterpret_cast<char*>(config.info.lo_file_name), path.c_str(), LO_NAME_SIZE - 1);
			if (::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0)
				return loops_[path] = {loop_major, static_cast<std::uint32_t>(free)};
			if (errno != EBUSY)
				throw Error::from_errno(errno, "attach loop", path);
		}
		throw Error{Failure::busy, "attach loop", path, "others take every loop device that is free"};
	}

	void detach_loop(const std::string& path) override
	{
		// While udev looks at it, it goes when that is done.
		if (const auto loop = find_loop(path)) {
			loops_.erase(path);
			const UniqueFd fd = open_file(loop_node(loop->minor), O_RDWR, "detach loop");
			if (::ioctl(fd.get(), LOOP_CLR_FD) != 0 && errno != ENXIO)
				throw Error::from_errno(errno, "detach loop", path);
		}
	}

	std::optional<DeviceNumber> find_loop(const std::string& path) override
	{
		std::error_code error;
		const fs::path real = fs::weakly_canonical(path, error);
		struct stat status {};
		if (::stat(path.c_str(), &status) != 0) {
			loops_.erase(path);
			return std::nullopt;
		}
		const auto has_it = [&](DeviceNumber number) {
			const auto file = loop_file(number.minor);
			return file && file->file_system == number_of(status.st_dev) && file->inode == status.st_ino;
		};
		// Where it was found last, most times: with hundreds of them, looking through all
		// for each would take seconds.
		const auto known = loops_.find(path);
		if (known != loops_.end() && has_it(known->second))
			return known->second;
		loops_.erase(path);
		for (const auto& entry : fs::directory_iterator{"/sys/block", error}) {
			if (!entry.path().filename().string().starts_with("loop"))
				continue;
			// The name is the same in every namespace, and spares asking all of them.
			const fs::path backing = read_line(entry.path().string() + "/loop/backing_file");
			if (backing.filename() != real.filename())
				continue;
			const auto number = dm::parse_device_number(read_line(entry.path().string() + "/dev"));
			if (number && has_it(*number)) {
				loops_[path] = *number;
				return number;
			}
		}
		return std::nullopt;
	}

	void resize_loop(const std::string& path) override
	{
		const auto loop = find_loop(path);
		if (!loop)
			throw Error{Failure::not_found, "resize loop", path, "it is not attached"};
		const UniqueFd fd = open_file(loop_node(loop->minor), O_RDWR, "resize loop");
		if (::ioctl(fd.get(), LOOP_SET_CAPACITY, 0) != 0)
			throw Error::from_errno(errno, "resize loop", path);
	}

	bool loop_is_direct(DeviceNumber number) override { return read_line(sys_path(number) + "/loop/dio") == "1"; }

	// ---- LVM2 -----------------------------------------------------------------
	VolumeGroup volume_group(const std::string& name) override
	{
		check_lvm_name(name);
		const std::vector<std::string> words = split_words(run_lvm(
			{"vgs", "--noheadings", "--units", "b", "--nosuffix", "-o", "vg_free,vg_extent_size", "--", name}, "volume group", name));
		if (words.size() != 2)
			throw Error{Failure::failed, "volume group", name, "the answer of vgs cannot be read"};
		VolumeGroup group;
		group.free = Bytes{parse_number(words[0]).value_or(0)};
		group.extent = Bytes{std::max<std::uint64_t>(parse_number(words[1]).value_or(0), 512)};
		group.devices = split_words(run_lvm({"vgs", "--noheadings", "-o", "pv_name", "--", name}, "volume group", name));
		return group;
	}

	void create_volume(const std::string& volume, Bytes size) override
	{
		const auto slash = volume.find('/');
		const std::string group = volume.substr(0, slash), name = volume.substr(slash + 1);
		check_lvm_name(group);
		check_lvm_name(name);
		(void)run_lvm({"lvcreate", "--quiet", "--yes", "--zero", "n", "--wipesignatures", "n", "--activate", "y", "--name", name,
			       "--size", std::to_string(size.count) + "b", "--", group}, "create volume", volume);
	}

	void extend_volume(const std::string& volume, Bytes size) override
	{
		if (block_device("/dev/" + volume).size >= size)
			return;
		(void)run_lvm({"lvextend", "--quiet", "--yes", "--size", std::to_string(size.count) + "b", "--", volume}, "extend volume", volume);
	}

	void remove_volume(const std::string& volume) override
	{
		if (volume_exists(volume))
			(void)run_lvm({"lvremove", "--quiet", "--yes", "--", volume}, "remove volume", volume);
	}

	void activate_volume(const std::string& volume) override
	{
		(void)run_lvm({"lvchange", "--quiet", "--activate", "y", "--", volume}, "activate volume", volume);
	}

	void activate_mapped_volume(const std::string& dm_name) override
	{
		// VG-LV, where a hyphen in either is two.
		for (std::size_t at = 1; at + 1 < dm_name.size(); at++) {
			if (dm_name[at] != '-')
				continue;
			if (dm_name[at + 1] == '-') {
				at++;
				continue;
			}
			const auto plain = [](std::string text) {
				for (std::size_t hyphen = 0; (hyphen = text.find("--", hyphen)) != std::string::npos; hyphen++)
					text.erase(hyphen, 1);
				return text;
			};
			const std::string volume = plain(dm_name.substr(0, at)) + "/" + plain(dm_name.substr(at + 1));
			// What goes wrong shows when the device is not there.
			(void)run_program({"lvchange", "--activate", "y", "--yes", "--", volume});
			return;
		}
	}

	void deactivate_volume(const std::string& volume) override
	{
		(void)run_lvm({"lvchange", "--quiet", "--activate", "n", "--", volume}, "deactivate volume", volume);
	}

	// ---- the rest ---------------------------------------------------------------
	ModuleFacts module_facts() override
	{
		ModuleFacts facts;
		facts.loaded = fs::exists("/sys/module/dm_snapshot");
		const std::string loaded_version = read_line("/sys/module/dm_snapshot/version");
		const std::string loaded_source = read_line("/sys/module/dm_snapshot/srcversion");

		std::string version, source;
		bool has_signature = false;
		struct Unref {
			void operator()(kmod_ctx* context) const { kmod_unref(context); }
			void operator()(kmod_module* module) const { kmod_module_unref(module); }
		};
		const std::unique_ptr<kmod_ctx, Unref> context{kmod_new(nullptr, nullptr)};
		kmod_module* raw = nullptr;
		if (context && kmod_module_new_from_name(context.get(), "dm_snapshot", &raw) >= 0) {
			const std::unique_ptr<kmod_module, Unref> module{raw};
			const char* path = kmod_module_get_path(module.get());
			facts.known = path != nullptr;
			facts.path = path != nullptr ? path : "";
			kmod_list* list = nullptr;
			if (facts.known && kmod_module_get_info(module.get(), &list) >= 0) {
				for (kmod_list* item = list; item != nullptr; item = kmod_list_next(list, item)) {
					const std::string key = kmod_module_info_get_key(item), value = kmod_module_info_get_value(item);
					if (key == "version")
						version = value;
					else if (key == "srcversion")
						source = value;
					else if (key == "sig_id" || key == "signer")
						has_signature = true;
				}
				kmod_module_info_free_list(list);
				facts.is_signed = has_signature;
			}
		}
		// The kernel's own says no version.
		facts.version = facts.loaded ? loaded_version : version;
		facts.ours = !facts.version.empty();
		facts.stale = facts.loaded && facts.known && !loaded_source.empty() && !source.empty() && loaded_source != source;
		return facts;
	}

	KernelFacts kernel_facts() override
	{
		struct utsname names {};
		(void)::uname(&names);
		// Opening either loads its module.
		return {names.release, fs::exists("/dev/mapper/control"), fs::exists("/dev/loop-control")};
	}

	std::string other_snapctl() override
	{
		std::error_code error;
		const fs::path self = fs::read_symlink("/proc/self/exe", error);
		for (const char* folder : {"/usr/local/bin", "/usr/bin", "/bin", "/snap/bin"}) {
			const fs::path path = fs::path{folder} / "snapctl";
			if (!fs::exists(path, error))
				continue;
			const fs::path real = fs::canonical(path, error);
			if (real != self && fs::equivalent(real, self, error) == false)
				return path.string();
		}
		return "";
	}

	std::chrono::system_clock::time_point now() override { return std::chrono::system_clock::now(); }
	void pause(std::chrono::milliseconds time) override { std::this_thread::sleep_for(time); }
	std::chrono::steady_clock::time_point clock() override { return std::chrono::steady_clock::now(); }

	std::string boot_id() override { return read_line("/proc/sys/kernel/random/boot_id"); }

	std::string new_id() override
	{
		std::array<unsigned char, 16> random{};
		if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
			throw Error::from_errno(errno, "random number", "");
		std::string text;
		for (const unsigned char byte : random) {
			char digits[3];
			std::snprintf(digits, sizeof(digits), "%02x", byte);
			text += digits;
		}
		return text;
	}

private:
	std::map<std::string, DeviceNumber> loops_;

	// The path itself, or what is nearest above it.
	static std::string nearest(std::string path)
	{
		std::error_code error;
		while (path != "/" && !fs::exists(path, error))
			path = parent_of(path);
		return path;
	}

	void descend(DeviceNumber number, std::set<DeviceNumber>& found)
	{
		if (!found.insert(number).second)
			return;
		const std::string sys = sys_path(number);
		std::error_code error;
		for (const auto& entry : fs::directory_iterator{sys + "/slaves", error})
			if (const auto below = dm::parse_device_number(read_line(entry.path().string() + "/dev")))
				descend(*below, found);
		if (fs::exists(sys + "/partition", error)) {
			const std::string disk = fs::canonical(sys, error).parent_path().string();
			if (const auto below = dm::parse_device_number(read_line(disk + "/dev")))
				descend(*below, found);
		}
		if (fs::exists(sys + "/loop", error))
			if (const auto file = loop_file(number.minor))
				descend_file_system(file->file_system, found);
	}

	void descend_path(const std::string& path, std::set<DeviceNumber>& found)
	{
		descend_file_system(number_of(status_of(nearest(path), "file system").st_dev), found);
	}

	void descend_file_system(DeviceNumber number, std::set<DeviceNumber>& found)
	{
		if (number.major != 0) {
			descend(number, found);
			return;
		}
		for (const Mount& mount : mounts())
			if (dm::parse_device_number(mount.number) == number)
				descend_mount(mount, found);
	}

	void descend_mount(const Mount& mount, std::set<DeviceNumber>& found)
	{
		// btrfs and others have numbers of their own, but say their device.
		struct stat source {};
		const auto number = dm::parse_device_number(mount.number);
		if (number && number->major != 0)
			descend(*number, found);
		else if (::stat(mount.source.c_str(), &source) == 0 && S_ISBLK(source.st_mode))
			descend(number_of(source.st_rdev), found);
	}

	static bool volume_exists(const std::string& volume)
	{
		return run_program({"lvs", "--noheadings", "-o", "lv_name", "--", volume}).status == 0;
	}
};

} // namespace

std::unique_ptr<Host> make_system_host() { return std::make_unique<SystemHost>(); }

} // namespace snapctl::engine
