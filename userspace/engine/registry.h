// SPDX-License-Identifier: GPL-2.0-or-later
//
// What must survive the daemon: which origins and snapshots there are, and the
// journal of the plan that is under way. SQLite, every change durable before
// the call returns. Nothing here is touched while a device is suspended.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"

struct sqlite3;

namespace snapctl::engine {

using Fields = std::vector<std::string>;

struct OriginRow {
	std::string name;
	std::string id;
	std::string device;  // as it was given
	std::string dm_name; // of the head: NAME, or that of the device that was taken over
	bool taken_over = false;
	std::uint64_t sectors = 0;
};

struct SnapshotRow {
	std::string name;
	std::string id;
	std::string origin;
	std::string set;
	std::uint64_t chunk_sectors = 0;
	bool transient = false;
	bool read_only = false;
	OnFull on_full = OnFull::queue;
	SpaceKind kind = SpaceKind::file;
	std::string where; // as it was asked for
	std::string cow;   // the file, VG/LV, or the device
	std::uint64_t created_us = 0;
	bool active = true;        // shall be in the kernel
	bool stale = false;        // its origin was written without it: lost
	bool merging = false;      // the head of its origin is a snapshot-merge
	std::uint64_t merge_bytes = 0; // that were to be merged when it began
	std::uint64_t merge_rate = 0;  // bytes a second, 0: no limit
	bool merge_paused = false;
	bool merge_wanted = false; // begins when its origin is not in use
};

[[nodiscard]] Fields to_fields(const OriginRow& row);
[[nodiscard]] Fields to_fields(const SnapshotRow& row);
[[nodiscard]] OriginRow origin_from_fields(const Fields& fields);     // throws Error
[[nodiscard]] SnapshotRow snapshot_from_fields(const Fields& fields); // throws Error

// Any strings as one, and back: "3:abc0:". Throws Error.
[[nodiscard]] std::string pack(const Fields& fields);
[[nodiscard]] Fields unpack(std::string_view text);

struct JournalStep {
	std::string code;
	Fields args;
	enum class State { planned, begun, done } state = State::planned;
};

struct Journal {
	std::int64_t id = 0;
	std::string what;
	std::string boot;       // under which it was begun: see Host::boot_id()
	std::size_t commit = 0; // from this step on it is finished, before it is undone
	std::vector<JournalStep> steps;
};

class Registry {
public:
	// A file, made when it is not there; ":memory:" for none.
	explicit Registry(const std::string& path);

	[[nodiscard]] std::vector<OriginRow> origins();
	[[nodiscard]] std::vector<SnapshotRow> snapshots();
	[[nodiscard]] std::optional<OriginRow> origin(const std::string& name);
	[[nodiscard]] std::optional<SnapshotRow> snapshot(const std::string& name);
	void put(const OriginRow& row);
	void put(const SnapshotRow& row);
	void remove_origin(const std::string& name);
	void remove_snapshot(const std::string& name);

	[[nodiscard]] std::int64_t begin(const Journal& journal);
	void set_state(std::int64_t journal, std::size_t step, JournalStep::State state);
	void end(std::int64_t journal);
	[[nodiscard]] std::vector<Journal> open_journals();

private:
	void run(const char* sql);
	std::vector<Fields> query(const std::string& sql, const Fields& values);

	struct Close {
		void operator()(sqlite3* database) const noexcept;
	};
	std::unique_ptr<sqlite3, Close> database_;
};

} // namespace snapctl::engine
