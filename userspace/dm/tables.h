// SPDX-License-Identifier: GPL-2.0-or-later
//
// Table lines and status lines of device-mapper, as values. Pure functions;
// for every line that the kernel prints, format(parse(line)) == line. Parsers
// throw Error with Failure::malformed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/units.h"

namespace snapctl::dm {

// `major:minor`, as tables print devices.
struct DeviceNumber {
	std::uint32_t major = 0;
	std::uint32_t minor = 0;
	auto operator<=>(const DeviceNumber&) const = default;
	[[nodiscard]] std::string str() const;
};
[[nodiscard]] std::optional<DeviceNumber> parse_device_number(std::string_view text) noexcept;

struct Linear {
	std::string device;
	Sectors offset;
	bool operator==(const Linear&) const = default;
};

struct SnapshotOrigin {
	std::string origin;
	bool operator==(const SnapshotOrigin&) const = default;
};

enum class Persistence { persistent, overflow, transient }; // P, PO, N

struct Feature {
	std::string name;
	std::optional<std::uint64_t> value;
	bool operator==(const Feature&) const = default;
};

// The line of snapshot and, but for the type's name, of snapshot-merge.
struct Snapshot {
	std::string origin;
	std::string cow;
	Persistence persistence = Persistence::overflow;
	Sectors chunk;
	std::vector<Feature> features; // in the order in which they are printed
	bool merge = false;            // snapshot-merge
	bool operator==(const Snapshot&) const = default;
};

struct OtherTarget {
	std::string type;
	std::string params;
	bool operator==(const OtherTarget&) const = default;
};

struct Target {
	Sectors start;
	Sectors length;
	std::variant<SnapshotOrigin, Snapshot, Linear, OtherTarget> what;
	bool operator==(const Target&) const = default;
};
using Table = std::vector<Target>;

// The name of the target, and what follows it.
[[nodiscard]] std::string type_of(const Target& target);
[[nodiscard]] std::string params_of(const Target& target);

// "0 8192 snapshot 253:1 253:2 PO 8 1 queue_if_no_space"
[[nodiscard]] std::string format_target(const Target& target);
[[nodiscard]] Target parse_target(std::string_view line);
[[nodiscard]] Target make_target(Sectors start, Sectors length, std::string_view type, std::string_view params);

// Several lines, each with its newline.
[[nodiscard]] std::string format_table(const Table& table);
[[nodiscard]] Table parse_table(std::string_view text);
[[nodiscard]] Sectors length_of(const Table& table) noexcept;

// The one target of a table, if it is of this kind.
template <class Kind>
[[nodiscard]] const Kind* only_target(const Table& table) noexcept
{
	return table.size() == 1 ? std::get_if<Kind>(&table.front().what) : nullptr;
}

struct UsageStatus {
	Sectors allocated, total, metadata;
	bool operator==(const UsageStatus&) const = default;
};
enum class StatusWord { invalid, merge_failed, overflow, unknown };
using SnapshotStatus = std::variant<UsageStatus, StatusWord>;

[[nodiscard]] SnapshotStatus parse_snapshot_status(std::string_view text);
[[nodiscard]] std::string format_snapshot_status(const SnapshotStatus& status);

} // namespace snapctl::dm
