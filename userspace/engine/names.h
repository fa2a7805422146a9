// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every name and uuid that snapctl gives to a device is made here, and fits.
//
//   what                device-mapper name      uuid
//   plain origin        NAME                    SNAPCTL-orig-ID
//   taken-over origin   its own, unchanged      its own, unchanged
//     what is under it  snapctl-NAME-real       SNAPCTL-real-ID
//   snapshot            NAME                    SNAPCTL-snap-ID
//
// NAME is what the user says, at most 64 characters; ID are 32 hexadecimal
// digits. udev's rules go by the uuids.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/names.h"

namespace snapctl::engine {

inline constexpr std::size_t object_name_max = 64;
inline constexpr std::size_t id_length = 32;
inline constexpr std::string_view uuid_prefix = "SNAPCTL-";
inline constexpr std::string_view inner_before = "snapctl-", inner_after = "-real";

static_assert(inner_before.size() + object_name_max + inner_after.size() <= dm_name_max);
static_assert(uuid_prefix.size() + std::string_view{"orig-"}.size() + id_length <= dm_uuid_max);

// The name of an origin, a snapshot or a set: letters, digits, and . _ + - but
// not as the first character. Throws Error.
inline void check_object_name(std::string_view what, std::string_view name)
{
	const auto plain = [](char c) {
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
	};
	bool good = !name.empty() && plain(name.front());
	for (const char c : name)
		good = good && (plain(c) || c == '.' || c == '+' || c == '-');
	if (!good)
		throw Error{Failure::refused, what, name,
			    "a name is made of letters, digits, and . _ + - but does not start with . + or -"};
	if (name.size() > object_name_max)
		throw Error{Failure::refused, what, name, "a name has at most 64 characters"};
	if (name == "control")
		throw Error{Failure::refused, what, name, "/dev/mapper/control is device-mapper's own"};
}

[[nodiscard]] inline DmName inner_name(std::string_view origin)
{
	return DmName{std::string{inner_before} + std::string{origin} + std::string{inner_after}};
}
[[nodiscard]] inline DmUuid origin_uuid(std::string_view id) { return DmUuid{"SNAPCTL-orig-" + std::string{id}}; }
[[nodiscard]] inline DmUuid inner_uuid(std::string_view id) { return DmUuid{"SNAPCTL-real-" + std::string{id}}; }
[[nodiscard]] inline DmUuid snapshot_uuid(std::string_view id) { return DmUuid{"SNAPCTL-snap-" + std::string{id}}; }

// The start of an id keeps names of files and logical volumes apart when a
// snapshot was renamed and its name is used again.
[[nodiscard]] inline std::string file_name(std::string_view snapshot, std::string_view id)
{
	return std::string{snapshot} + "-" + std::string{id.substr(0, 8)} + ".cow";
}
[[nodiscard]] inline std::string volume_name(std::string_view snapshot, std::string_view id)
{
	return "snapctl-" + std::string{snapshot} + "-" + std::string{id.substr(0, 8)};
}

} // namespace snapctl::engine
