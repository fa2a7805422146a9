// SPDX-License-Identifier: GPL-2.0-or-later
//
// Numbers as people write and read them. All pure; parsers throw Error with
// Failure::malformed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/units.h"

namespace snapctl {

// A decimal number without sign, blanks or anything behind it; nothing otherwise.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

// "10G", "1.5 GiB", "512", "512B", "64k", "8s" (sectors); units are powers of
// 1024 whatever their case, KB, MB, GB... (with B, without i) are too.
[[nodiscard]] Bytes parse_bytes(std::string_view text);
// "20%", "20 %".
[[nodiscard]] Percent parse_percent(std::string_view text);
// Either of the two.
[[nodiscard]] std::variant<Percent, Bytes> parse_size(std::string_view text);

// The shortest text that parse_bytes() reads as the same number: "10G", "1536M", "513".
[[nodiscard]] std::string format_bytes(Bytes bytes);
// For the eye: "1.50 GiB", three digits, rounded.
[[nodiscard]] std::string format_bytes_rounded(Bytes bytes);
[[nodiscard]] std::string format_percent(Percent percent);
[[nodiscard]] std::string format_size(const std::variant<Percent, Bytes>& size);

// part of whole in percent, rounded down; 0 of 0 is 0. Does not overflow.
[[nodiscard]] Percent percent_of(Bytes part, Bytes whole) noexcept;
// percent of whole, rounded down; saturates.
[[nodiscard]] Bytes share_of(Percent percent, Bytes whole) noexcept;
// Rounded up to a multiple, which is not 0; saturates at the last multiple.
[[nodiscard]] Bytes round_up(Bytes bytes, Bytes multiple) noexcept;

// The words of a line, divided by blanks.
[[nodiscard]] std::vector<std::string> split_words(std::string_view line);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view between);
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

} // namespace snapctl
