// SPDX-License-Identifier: GPL-2.0-or-later
//
// How messages lie in the stream: four bytes of length, the most significant
// first, then as many bytes of JSON. docs/ipc.md is the specification.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace snapctl::ipc {

inline constexpr std::uint64_t protocol_version = 1;

inline constexpr std::size_t header_size = 4;
inline constexpr std::size_t max_request = 64 * 1024;
inline constexpr std::size_t max_reply = 16 * 1024 * 1024;
inline constexpr std::size_t max_depth = 8; // of JSON in a request

using FrameHeader = std::array<unsigned char, header_size>;

[[nodiscard]] FrameHeader make_header(std::size_t length);
[[nodiscard]] std::size_t parse_header(const FrameHeader& header);
[[nodiscard]] std::string frame(std::string_view message);

} // namespace snapctl::ipc
