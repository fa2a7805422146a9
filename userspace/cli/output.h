// SPDX-License-Identifier: GPL-2.0-or-later
//
// Rows as a table, as a list of keys and values, as JSON. Included by the few
// files that print.
#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/cell.h"

namespace snapctl::cli {

using OutputJson = nlohmann::ordered_json;

// Of the shape of JSON output. Keys are added without a change of it, never
// renamed or removed.
inline constexpr int json_format = 1;

// {"snapctl": {"version": ..., "format": 1}}, to which the verb adds its own.
[[nodiscard]] OutputJson json_document();
void print_json(std::ostream& out, const OutputJson& json);
// On one line.
void print_json_line(std::ostream& out, const OutputJson& json);

// Lines of cells, each column as wide as it must be. No heading, no cells: nothing.
void print_grid(std::ostream& out, const std::vector<std::string>& headings,
		const std::vector<std::vector<Cell>>& rows);

template <class Row>
[[nodiscard]] OutputJson json_row(const Columns<Row>& columns, const Row& row)
{
	OutputJson json = OutputJson::object();
	for (const auto& column : columns)
		json[column.key] = json_of(column.get(row));
	return json;
}

template <class Row>
[[nodiscard]] OutputJson json_rows(const Columns<Row>& columns, const std::vector<Row>& rows)
{
	OutputJson json = OutputJson::array();
	for (const auto& row : rows)
		json.push_back(json_row(columns, row));
	return json;
}

// Only the columns that have a heading.
template <class Row>
void print_list(std::ostream& out, const Columns<Row>& columns, const std::vector<Row>& rows)
{
	std::vector<std::string> headings;
	for (const auto& column : columns)
		if (!column.heading.empty())
			headings.push_back(column.heading);
	std::vector<std::vector<Cell>> cells;
	for (const auto& row : rows) {
		auto& line = cells.emplace_back();
		for (const auto& column : columns)
			if (!column.heading.empty())
				line.push_back(column.get(row));
	}
	print_grid(out, headings, cells);
}

// All columns, one a line: "size: 10.0 GiB".
template <class Row>
void print_card(std::ostream& out, const Columns<Row>& columns, const Row& row)
{
	std::vector<std::vector<Cell>> cells;
	for (const auto& column : columns) {
		std::string label = column.key;
		for (const std::string unit : {"_bytes", "_us", "_seconds", "_percent"})
			if (label.ends_with(unit))
				label.resize(label.size() - unit.size());
		std::ranges::replace(label, '_', ' ');
		cells.push_back({label + ':', text_of(column.get(row))});
	}
	print_grid(out, {}, cells);
}

} // namespace snapctl::cli
