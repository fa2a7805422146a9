// SPDX-License-Identifier: GPL-2.0-or-later
//
// A value that is printed as text for a person and as JSON for a program, and
// the description of a row of them, from which both are made.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/units.h"

namespace snapctl::cli {

struct Nothing {};

using Cell = std::variant<Nothing, bool, std::uint64_t, std::string, Bytes, Percent, std::chrono::seconds,
			  std::chrono::microseconds, std::chrono::system_clock::time_point, std::vector<std::string>>;

[[nodiscard]] std::string text_of(const Cell& cell); // "-" for nothing
[[nodiscard]] nlohmann::ordered_json json_of(const Cell& cell);
[[nodiscard]] bool is_number(const Cell& cell); // printed to the right

template <class Row>
struct Column {
	std::string key;     // in JSON, and in `show`
	std::string heading; // of the list; "" when it is not in it
	std::function<Cell(const Row&)> get;
};

template <class Row>
using Columns = std::vector<Column<Row>>;

} // namespace snapctl::cli
