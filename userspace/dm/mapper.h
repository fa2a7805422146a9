// SPDX-License-Identifier: GPL-2.0-or-later
//
// Device-mapper, as the engine sees it. Two of them: LibdmMapper speaks to the
// kernel, SimMapper to a model in memory. Every call throws Error when it fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/units.h"
#include "dm/tables.h"

namespace snapctl::dm {

// What udev is told of a device.
enum class Visibility {
	shown,  // as any disk
	hidden, // an inner device: a node in /dev/mapper, no links, nothing scans it
};

struct SuspendFlags {
	bool no_flush = false;    // do not wait for I/O that a target can give back
	bool skip_lockfs = false; // do not freeze the file system
};

struct DeviceInfo {
	DmUuid uuid;
	DeviceNumber number;
	bool suspended = false;
	bool read_only = false;
	bool live_table = false;
	bool inactive_table = false;
	std::uint32_t open_count = 0;
	std::uint32_t event_nr = 0;
};

struct ListedDevice {
	std::string name;
	DeviceNumber number;
};

struct StatusLine {
	Sectors start, length;
	std::string type;
	std::string text;
};

struct TargetVersion {
	std::string name;
	std::uint32_t major = 0, minor = 0, patch = 0;
};

class Mapper {
public:
	Mapper() = default;
	Mapper(const Mapper&) = delete;
	Mapper& operator=(const Mapper&) = delete;
	virtual ~Mapper() = default;

	// A device without a table.
	virtual void create(const DmName& name, const DmUuid& uuid, Visibility visibility) = 0;
	// Into the inactive slot.
	virtual void load(const DmName& name, const Table& table, bool read_only) = 0;
	virtual void clear(const DmName& name) = 0; // the inactive slot
	virtual void suspend(const DmName& name, SuspendFlags flags) = 0;
	// What is in the inactive slot becomes live.
	virtual void resume(const DmName& name, Visibility visibility) = 0;
	virtual void remove(const DmName& name) = 0;
	virtual void rename(const DmName& name, const DmName& to) = 0;
	virtual std::string message(const DmName& name, const std::string& text) = 0;
	// udev's rules of what was resumed, removed and renamed have run, nodes are there. Not while
	// a device is suspended: the rules read devices.
	virtual void settle() = 0;
	// After somebody who made changes was killed: where no udev does it, gives every device
	// its node, and removes those that have no device any more.
	virtual void mend_nodes() = 0;

	[[nodiscard]] virtual std::optional<DeviceInfo> info(const DmName& name) = 0; // none: no such device
	[[nodiscard]] virtual Table table(const DmName& name) = 0;                    // the live one
	[[nodiscard]] virtual std::vector<StatusLine> status(const DmName& name) = 0;
	[[nodiscard]] virtual std::vector<ListedDevice> list() = 0;
	[[nodiscard]] virtual std::vector<TargetVersion> targets() = 0; // those that are loaded

	// Becomes readable when any device has an event after the last arm().
	[[nodiscard]] virtual int poll_fd() = 0;
	virtual void arm() = 0;

	// Loads the kernel module of a target, if that is possible.
	virtual void load_target(const std::string& type) = 0;
	// A device-mapper device of this number?
	[[nodiscard]] std::optional<std::string> name_of(DeviceNumber number);
};

// A device that stands still, for as long as this lives.
class Suspended {
public:
	Suspended(Mapper& mapper, DmName name, SuspendFlags flags = {}, Visibility visibility = Visibility::shown);
	Suspended(const Suspended&) = delete;
	Suspended& operator=(const Suspended&) = delete;
	// Resumes, and swallows the failure: whoever wants to know calls resume().
	~Suspended();
	void resume();

private:
	Mapper& mapper_;
	DmName name_;
	Visibility visibility_;
	bool suspended_ = true;
};

} // namespace snapctl::dm
