// SPDX-License-Identifier: GPL-2.0-or-later
//
// Device-mapper in memory, for tests: names, tables, states, events, the
// handover of snapshots' stores, and usage that a test moves. No data.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "base/fuse.h"
#include "base/unique_fd.h"
#include "dm/mapper.h"

namespace snapctl::dm {

class SimMapper final : public Mapper {
public:
	explicit SimMapper(Fuse& fuse);

	void create(const DmName& name, const DmUuid& uuid, Visibility visibility) override;
	void load(const DmName& name, const Table& table, bool read_only) override;
	void clear(const DmName& name) override;
	void suspend(const DmName& name, SuspendFlags flags) override;
	void resume(const DmName& name, Visibility visibility) override;
	void remove(const DmName& name) override;
	void rename(const DmName& name, const DmName& to) override;
	std::string message(const DmName& name, const std::string& text) override;
	void settle() override;
	void mend_nodes() override {} // it has none
	std::optional<DeviceInfo> info(const DmName& name) override;
	Table table(const DmName& name) override;
	std::vector<StatusLine> status(const DmName& name) override;
	std::vector<ListedDevice> list() override;
	std::vector<TargetVersion> targets() override;
	int poll_fd() override { return event_fd_.get(); }
	void arm() override;
	void load_target(const std::string& type) override;

	// ---- the world around, for the simulated host and for tests ---------------

	// Is the module ours? Decides versions and what tables and messages may say.
	bool module_is_ours = true;

	// A block device that is not device-mapper's. `identity` tells what store is
	// on it, wherever it turns up (a file on another loop device).
	void add_block_device(DeviceNumber number, Bytes size, const std::string& identity);
	void drop_block_device(DeviceNumber number);
	void resize_block_device(DeviceNumber number, Bytes size);
	[[nodiscard]] std::optional<Bytes> size_of(DeviceNumber number) const;
	// Nothing is stored there any more.
	void wipe_store(const std::string& identity) { stores_.erase(identity); }
	// The header of what is stored there, as it is on disk; nothing: there is none.
	[[nodiscard]] std::vector<std::byte> start_of_store(const std::string& identity) const;

	// By the name of a device whose live table is a snapshot or a merge. Each raises an event.
	void set_used(const DmName& name, Bytes allocated);
	void set_state(const DmName& name, std::optional<StatusWord> state);
	void set_open(const DmName& name, std::uint32_t count);
	void raise_event(const DmName& name);

	[[nodiscard]] bool anything_suspended() const noexcept;
	// All devices, their tables and states: to compare before and after.
	[[nodiscard]] std::string dump() const;
	// Messages that were sent, "NAME: TEXT".
	[[nodiscard]] const std::vector<std::string>& messages() const noexcept { return messages_; }
	// All machines forget their devices at a reboot; stores stay.
	void reboot();

private:
	struct Slot {
		Table table;
		bool read_only = false;
	};
	struct Device {
		DmUuid uuid;
		std::uint32_t minor = 0;
		bool suspended = false;
		bool handed_over = false; // its store went to another table
		std::optional<Slot> live, inactive;
		std::uint32_t opened = 0;
		std::uint32_t event_nr = 0;
	};
	struct Store {
		Sectors allocated, metadata, chunk;
		std::optional<StatusWord> state;
	};
	struct BlockDevice {
		Bytes size;
		std::string identity;
	};

	Device& at(const DmName& name, const char* context);
	const Device* find(DeviceNumber number) const;
	Store& store_of(const DmName& name);
	std::string identity_of(const std::string& device) const;
	std::uint32_t holders(std::uint32_t minor) const;
	void check_table(const Table& table, const DmName& name) const;

	Fuse& fuse_;
	UniqueFd event_fd_;
	std::map<DmName, Device> devices_;
	std::map<DeviceNumber, BlockDevice> block_devices_;
	std::map<std::string, Store> stores_;
	std::vector<std::string> messages_;
	std::uint32_t next_minor_ = 0;
};

} // namespace snapctl::dm
