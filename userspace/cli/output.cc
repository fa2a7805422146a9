// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output.h"

#include "cli/session.h"

namespace snapctl::cli {

namespace {

// How many columns a terminal takes for it: continuation bytes of UTF-8 take none.
std::size_t width_of(const std::string& text)
{
	return static_cast<std::size_t>(
		std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// What the kernel or a file system calls its things must not steer a terminal.
std::string harmless(std::string text)
{
	for (char& c : text)
		if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
			c = '?';
	return text;
}

constexpr auto replace = OutputJson::error_handler_t::replace;

} // namespace

OutputJson json_document()
{
	return {{"snapctl", {{"version", version}, {"format", json_format}}}};
}

void print_json(std::ostream& out, const OutputJson& json)
{
	out << json.dump(2, ' ', false, replace) << '\n';
}

void print_json_line(std::ostream& out, const OutputJson& json)
{
	out << json.dump(-1, ' ', false, replace) << '\n';
}

void print_grid(std::ostream& out, const std::vector<std::string>& headings,
		const std::vector<std::vector<Cell>>& rows)
{
	struct Field {
		std::string text;
		bool right;
	};
	std::vector<std::vector<Field>> lines;
	std::vector<bool> numeric(headings.size());
	for (const auto& row : rows) {
		auto& line = lines.emplace_back();
		for (std::size_t i = 0; i < row.size(); i++) {
			const bool right = is_number(row[i]);
			if (right && i < numeric.size())
				numeric[i] = true;
			line.push_back({harmless(text_of(row[i])), right});
		}
	}
	if (!headings.empty()) {
		std::vector<Field> line;
		for (std::size_t i = 0; i < headings.size(); i++)
			line.push_back({headings[i], numeric[i]});
		lines.insert(lines.begin(), std::move(line));
	}
	std::vector<std::size_t> widths;
	for (const auto& line : lines)
		for (std::size_t i = 0; i < line.size(); i++) {
			if (i == widths.size())
				widths.push_back(0);
			widths[i] = std::max(widths[i], width_of(line[i].text));
		}
	for (const auto& line : lines) {
		std::string text;
		for (std::size_t i = 0; i < line.size(); i++) {
			const std::string blanks(widths[i] - width_of(line[i].text), ' ');
			text += line[i].right ? blanks + line[i].text : line[i].text + blanks;
			text += "  ";
		}
		text.erase(text.find_last_not_of(' ') + 1);
		out << text << '\n';
	}
}

} // namespace snapctl::cli
