// SPDX-License-Identifier: GPL-2.0-or-later
//
// Cookies: every call after which udev runs rules belongs to one udev
// transaction, that settle() waits for. So nothing waits for udev while a
// device is suspended. libdevmapper allocates a few KiB for each call. The kernel
// might have to write to a disk to find a page for that, and the disk might be
// the one that stands still: so settle(), which comes right before, leaves the
// heap with room, and the heap never shrinks. (The daemon has it locked.)
#include "dm/libdm_mapper.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <malloc.h>
#include <sys/ioctl.h>

#include <libdevmapper.h>
#include <linux/dm-ioctl.h>

#include "base/error.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace snapctl::dm {

namespace {

// The last thing that libdevmapper complained about: the reason of the next Error.
std::string& last_complaint()
{
	static std::string text;
	return text;
}

__attribute__((format(printf, 5, 6))) void note_complaint(int level, const char*, int, int, const char* format, ...)
{
	constexpr int warning = 4; // _LOG_WARN; below are errors
	if ((level & 7) >= warning)
		return;
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	std::vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	last_complaint() = text;
}

class Task {
public:
	Task(int type, const char* context) : context_{context}, task_{dm_task_create(type)}
	{
		last_complaint().clear();
		if (!task_)
			throw Error{Failure::failed, context_, "", "libdevmapper cannot make the request"};
	}
	Task(int type, const char* context, const DmName& name) : Task{type, context}
	{
		object_ = name.str();
		check(dm_task_set_name(get(), object_.c_str()));
	}

	[[nodiscard]] dm_task* get() const noexcept { return task_.get(); }

	void check(int worked) const
	{
		if (worked == 0)
			throw Error{Failure::failed, context_, object_, last_complaint()};
	}
	void run()
	{
		if (dm_task_run(get()) == 0)
			throw failure();
	}
	// False when there is no such device.
	[[nodiscard]] bool run_if_there()
	{
		if (dm_task_run(get()) != 0)
			return true;
		if (dm_task_get_errno(get()) == ENXIO)
			return false;
		throw failure();
	}

private:
	[[nodiscard]] Error failure() const
	{
		const int number = dm_task_get_errno(get());
		if (number == 0)
			return {Failure::failed, context_, object_, last_complaint()};
		if (number == EBUSY)
			return Error::from_errno(number, context_, object_, "`lsblk`, `fuser -vm` and `dmsetup ls --tree` say who uses it");
		if (number == EINVAL)
			return Error::from_errno(number, context_, object_, "`dmesg` has the kernel's reason");
		return Error::from_errno(number, context_, object_);
	}

	struct Destroy {
		void operator()(dm_task* task) const noexcept { dm_task_destroy(task); }
	};
	const char* context_;
	std::string object_;
	std::unique_ptr<dm_task, Destroy> task_;
};

class LibdmMapper final : public Mapper {
public:
	LibdmMapper()
	{
		dm_log_with_errno_init(note_complaint);
		// DmName and DmUuid have nothing in them that would be mangled.
		dm_set_name_mangling_mode(DM_STRING_MANGLING_NONE);
		::mallopt(M_MMAP_THRESHOLD, 4 * heap_room);
		::mallopt(M_TRIM_THRESHOLD, 16 * heap_room);
	}
	~LibdmMapper() override { dm_lib_release(); }

	void create(const DmName& name, const DmUuid& uuid, Visibility) override
	{
		Task task{DM_DEVICE_CREATE, "create device", name};
		if (!uuid.empty())
			task.check(dm_task_set_uuid(task.get(), uuid.str().c_str()));
		// Without a table there is nothing for udev to look at yet.
		task.check(dm_task_set_add_node(task.get(), DM_ADD_NODE_ON_RESUME));
		task.run();
	}

	void load(const DmName& name, const Table& table, bool read_only) override
	{
		Task task{DM_DEVICE_RELOAD, "load table", name};
		for (const Target& target : table)
			task.check(dm_task_add_target(task.get(), target.start.count, target.length.count,
						      type_of(target).c_str(), params_of(target).c_str()));
		if (read_only)
			task.check(dm_task_set_ro(task.get()));
		// A table may have a key in it.
		task.check(dm_task_secure_data(task.get()));
		task.run();
	}

	void clear(const DmName& name) override { Task{DM_DEVICE_CLEAR, "clear table", name}.run(); }

	void suspend(const DmName& name, SuspendFlags flags) override
	{
		Task task{DM_DEVICE_SUSPEND, "suspend", name};
		if (flags.no_flush)
			task.check(dm_task_no_flush(task.get()));
		if (flags.skip_lockfs)
			task.check(dm_task_skip_lockfs(task.get()));
		task.run();
	}

	void resume(const DmName& name, Visibility visibility) override
	{
		Task task{DM_DEVICE_RESUME, "resume", name};
		task.check(dm_task_set_add_node(task.get(), DM_ADD_NODE_ON_RESUME));
		set_cookie(task, visibility);
		task.run();
	}

	void remove(const DmName& name) override
	{
		Task task{DM_DEVICE_REMOVE, "remove device", name};
		// udev may look at it this very moment.
		task.check(dm_task_retry_remove(task.get()));
		set_cookie(task, Visibility::shown);
		task.run();
	}

	void rename(const DmName& name, const DmName& to) override
	{
		Task task{DM_DEVICE_RENAME, "rename device", name};
		task.check(dm_task_set_newname(task.get(), to.str().c_str()));
		set_cookie(task, Visibility::shown);
		task.run();
	}

	std::string message(const DmName& name, const std::string& text) override
	{
		Task task{DM_DEVICE_TARGET_MSG, "message", name};
		task.check(dm_task_set_sector(task.get(), 0));
		task.check(dm_task_set_message(task.get(), text.c_str()));
		task.run();
		const char* answer = dm_task_get_message_response(task.get());
		return answer != nullptr ? answer : "";
	}

	void settle() override
	{
		if (cookie_ != 0)
			dm_udev_wait(cookie_);
		cookie_ = 0;
		dm_task_update_nodes();
		leave_room();
	}

	void mend_nodes() override
	{
		if (dm_udev_get_sync_support() != 0)
			return;
		// What cannot be mended does not matter to the kernel.
		for (const ListedDevice& device : list())
			(void)dm_mknodes(device.name.c_str());
		(void)dm_mknodes(nullptr);
		dm_task_update_nodes();
	}

	std::optional<DeviceInfo> info(const DmName& name) override
	{
		Task task{DM_DEVICE_INFO, "info", name};
		dm_info raw{};
		if (!task.run_if_there())
			return std::nullopt;
		task.check(dm_task_get_info(task.get(), &raw));
		if (raw.exists == 0)
			return std::nullopt;
		DeviceInfo info;
		const char* uuid = dm_task_get_uuid(task.get());
		if (uuid != nullptr && is_dm_text(uuid))
			info.uuid = DmUuid{uuid};
		info.number = {raw.major, raw.minor};
		info.suspended = raw.suspended != 0;
		info.read_only = raw.read_only != 0;
		info.live_table = raw.live_table != 0;
		info.inactive_table = raw.inactive_table != 0;
		info.open_count = static_cast<std::uint32_t>(raw.open_count);
		info.event_nr = raw.event_nr;
		return info;
	}

	Table table(const DmName& name) override
	{
		Table table;
		for (const StatusLine& line : lines(DM_DEVICE_TABLE, "table", name))
			table.push_back(make_target(line.start, line.length, line.type, line.text));
		return table;
	}

	std::vector<StatusLine> status(const DmName& name) override
	{
		return lines(DM_DEVICE_STATUS, "status", name);
	}

	std::vector<ListedDevice> list() override
	{
		Task task{DM_DEVICE_LIST, "list devices"};
		task.run();
		std::vector<ListedDevice> devices;
		const dm_names* names = dm_task_get_names(task.get());
		if (names == nullptr || names->dev == 0)
			return devices;
		for (;;) {
			devices.push_back({names->name, {dev_major(names->dev), dev_minor(names->dev)}});
			if (names->next == 0)
				return devices;
			names = reinterpret_cast<const dm_names*>(reinterpret_cast<const char*>(names) + names->next);
		}
	}

	std::vector<TargetVersion> targets() override
	{
		Task task{DM_DEVICE_LIST_VERSIONS, "list targets"};
		task.run();
		std::vector<TargetVersion> found;
		const dm_versions* version = dm_task_get_versions(task.get());
		while (version != nullptr) {
			found.push_back({version->name, version->version[0], version->version[1], version->version[2]});
			if (version->next == 0)
				break;
			version = reinterpret_cast<const dm_versions*>(reinterpret_cast<const char*>(version) + version->next);
		}
		return found;
	}

	// libdevmapper keeps its own descriptor to itself, and the mark that arm()
	// sets is the descriptor's.
	int poll_fd() override
	{
		if (!control_)
			control_ = open_file("/dev/mapper/control", O_RDWR, "device-mapper");
		return control_.get();
	}

	void arm() override
	{
		dm_ioctl request{};
		request.version[0] = DM_VERSION_MAJOR;
		request.version[1] = 37; // the first that has it
		request.data_size = sizeof(request);
		if (::ioctl(poll_fd(), DM_DEV_ARM_POLL, &request) != 0)
			throw Error::from_errno(errno, "device-mapper", "arm poll");
	}

	void load_target(const std::string& type) override
	{
		// The kernel loads it by itself when it is asked for its version; a service may not.
		try {
			Task{DM_DEVICE_GET_TARGET_VERSION, "load target", DmName{type}}.run();
		} catch (const Error&) {
			// There is none.
		}
	}

private:
	static constexpr int heap_room = 1 << 20;

	static void leave_room()
	{
		const std::unique_ptr<void, decltype(&std::free)> room{std::malloc(heap_room), std::free};
		if (!room)
			throw Error::from_errno(ENOMEM, "device-mapper", "room in the heap");
		// Each page is really there.
		for (int i = 0; i < heap_room; i += 4096)
			static_cast<volatile char*>(room.get())[i] = 0;
	}

	static std::uint32_t dev_major(std::uint64_t dev) { return static_cast<std::uint32_t>((dev & 0xfff00) >> 8); }
	static std::uint32_t dev_minor(std::uint64_t dev)
	{
		return static_cast<std::uint32_t>((dev & 0xff) | ((dev >> 12) & 0xfff00));
	}

	void set_cookie(Task& task, Visibility visibility)
	{
		std::uint16_t flags = 0;
		if (visibility == Visibility::hidden)
			flags = DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG |
				DM_UDEV_DISABLE_OTHER_RULES_FLAG;
		task.check(dm_task_set_cookie(task.get(), &cookie_, flags));
	}

	static std::vector<StatusLine> lines(int type, const char* context, const DmName& name)
	{
		Task task{type, context, name};
		task.check(dm_task_secure_data(task.get()));
		task.check(dm_task_no_open_count(task.get()));
		// A status must not wait for the I/O of a snapshot that is out of space.
		if (type == DM_DEVICE_STATUS)
			task.check(dm_task_no_flush(task.get()));
		task.run();
		std::vector<StatusLine> found;
		void* next = nullptr;
		do {
			std::uint64_t start = 0, length = 0;
			char *target = nullptr, *text = nullptr;
			next = dm_get_next_target(task.get(), next, &start, &length, &target, &text);
			if (target != nullptr)
				found.push_back({Sectors{start}, Sectors{length}, target, text != nullptr ? text : ""});
		} while (next != nullptr);
		return found;
	}

	std::uint32_t cookie_ = 0;
	UniqueFd control_;
};

} // namespace

std::unique_ptr<Mapper> make_libdm_mapper() { return std::make_unique<LibdmMapper>(); }

} // namespace snapctl::dm
