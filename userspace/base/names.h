// SPDX-License-Identifier: GPL-2.0-or-later
//
// Names and uuids of device-mapper's devices, valid by construction.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

namespace snapctl {

// What the kernel holds, without the closing zero byte.
inline constexpr std::size_t dm_name_max = 127;
inline constexpr std::size_t dm_uuid_max = 128;

// A name of any device-mapper device, ours or not: 1 to 127 characters out of
// the set that needs no mangling in /dev/mapper: A-Z a-z 0-9 # + - . : = @ _
class DmName {
public:
	explicit DmName(std::string_view text); // throws Error
	[[nodiscard]] const std::string& str() const noexcept { return text_; }
	auto operator<=>(const DmName&) const = default;

private:
	std::string text_;
};

// A uuid; may be empty: not every device has one.
class DmUuid {
public:
	DmUuid() = default;
	explicit DmUuid(std::string_view text); // throws Error
	[[nodiscard]] const std::string& str() const noexcept { return text_; }
	[[nodiscard]] bool empty() const noexcept { return text_.empty(); }
	auto operator<=>(const DmUuid&) const = default;

private:
	std::string text_;
};

// Is it made of the characters that DmName accepts, whatever its length?
[[nodiscard]] bool is_dm_text(std::string_view text) noexcept;

} // namespace snapctl
