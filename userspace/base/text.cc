// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.h"

#include <charconv>
#include <cstdio>
#include <limits>

#include "base/error.h"

namespace snapctl {

namespace {

// For products that do not fit into 64 bits.
__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();

[[noreturn]] void malformed(std::string_view text, std::string_view reason)
{
	throw Error{Failure::malformed, "size", text, reason,
		    "write it as 512M, 10G, 1.5T or, where a share is meant, 20%"};
}

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n'; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The factor of a unit; 0 when there is no such unit.
std::uint64_t factor_of(std::string_view unit) noexcept
{
	if (unit.empty())
		return 1;
	const char first = lower(unit[0]);
	if (unit.size() == 1 && first == 'b')
		return 1;
	if (unit.size() == 1 && first == 's')
		return 512;
	const auto place = std::string_view{"kmgtpe"}.find(first);
	if (place == std::string_view::npos)
		return 0;
	const std::string_view rest = unit.substr(1);
	const bool known = rest.empty() || (rest.size() == 1 && lower(rest[0]) == 'b') ||
			   (rest.size() == 2 && lower(rest[0]) == 'i' && lower(rest[1]) == 'b');
	return known ? std::uint64_t{1} << (10 * (place + 1)) : 0;
}

} // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept
{
	std::uint64_t value = 0;
	if (text.empty() || !is_digit(text[0]))
		return std::nullopt;
	const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
	if (error != std::errc{} || end != text.data() + text.size())
		return std::nullopt;
	return value;
}

std::string_view trim(std::string_view text) noexcept
{
	while (!text.empty() && is_blank(text.front()))
		text.remove_prefix(1);
	while (!text.empty() && is_blank(text.back()))
		text.remove_suffix(1);
	return text;
}

Bytes parse_bytes(std::string_view whole)
{
	std::string_view text = trim(whole);
	std::size_t digits = 0;
	while (digits < text.size() && is_digit(text[digits]))
		digits++;
	const auto number = parse_number(text.substr(0, digits));
	if (!number)
		malformed(whole, digits > 0 ? "it is too large" : "it is not a size");
	text.remove_prefix(digits);

	std::string_view fraction;
	if (!text.empty() && text[0] == '.') {
		std::size_t length = 1;
		while (length < text.size() && is_digit(text[length]))
			length++;
		fraction = text.substr(1, length - 1);
		text.remove_prefix(length);
		if (fraction.empty() || fraction.size() > 9)
			malformed(whole, "it is not a size");
	}

	const std::uint64_t factor = factor_of(trim(text));
	if (factor == 0)
		malformed(whole, "it has no unit that is known");
	if (*number > top / factor)
		malformed(whole, "it is too large");
	std::uint64_t bytes = *number * factor;
	if (!fraction.empty()) {
		Wide numerator = *parse_number(fraction), denominator = 1;
		for (std::size_t i = 0; i < fraction.size(); i++)
			denominator *= 10;
		numerator *= factor;
		if (factor == 1 && numerator != 0)
			malformed(whole, "there is no part of a byte");
		const auto more = static_cast<std::uint64_t>(numerator / denominator);
		if (more > top - bytes)
			malformed(whole, "it is too large");
		bytes += more;
	}
	return Bytes{bytes};
}

Percent parse_percent(std::string_view whole)
{
	std::string_view text = trim(whole);
	if (text.empty() || text.back() != '%')
		malformed(whole, "it is not a percentage");
	text.remove_suffix(1);
	const auto number = parse_number(trim(text));
	if (!number)
		malformed(whole, "it is not a percentage");
	if (*number > 1000000)
		malformed(whole, "it is too large");
	return Percent{*number};
}

std::variant<Percent, Bytes> parse_size(std::string_view text)
{
	if (text.find('%') != std::string_view::npos)
		return parse_percent(text);
	return parse_bytes(text);
}

std::string format_bytes(Bytes bytes)
{
	std::uint64_t count = bytes.count;
	std::size_t unit = 0;
	static constexpr std::string_view units = "KMGTPE";
	while (count != 0 && count % 1024 == 0 && unit < units.size()) {
		count /= 1024;
		unit++;
	}
	std::string text = std::to_string(count);
	if (unit > 0)
		text += units[unit - 1];
	return text;
}

std::string format_bytes_rounded(Bytes bytes)
{
	static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	std::size_t unit = 0;
	double value = static_cast<double>(bytes.count);
	// 1023.5 and more would print as 1024.
	while (value >= 1023.5 && unit + 1 < std::size(units)) {
		value /= 1024;
		unit++;
	}
	char text[40];
	const int digits = unit == 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	std::snprintf(text, sizeof(text), "%.*f %s", digits, value, units[unit]);
	return text;
}

std::string format_percent(Percent percent) { return std::to_string(percent.count) + "%"; }

std::string format_size(const std::variant<Percent, Bytes>& size)
{
	if (const auto* percent = std::get_if<Percent>(&size))
		return format_percent(*percent);
	return format_bytes(std::get<Bytes>(size));
}

Percent percent_of(Bytes part, Bytes whole) noexcept
{
	if (whole.count == 0)
		return Percent{0};
	const Wide value = static_cast<Wide>(part.count) * 100 / whole.count;
	return Percent{value > top ? top : static_cast<std::uint64_t>(value)};
}

Bytes share_of(Percent percent, Bytes whole) noexcept
{
	const Wide value = static_cast<Wide>(whole.count) * percent.count / 100;
	return Bytes{value > top ? top : static_cast<std::uint64_t>(value)};
}

Bytes round_up(Bytes bytes, Bytes multiple) noexcept
{
	const std::uint64_t over = bytes.count % multiple.count;
	if (over == 0)
		return bytes;
	const std::uint64_t down = bytes.count - over;
	return Bytes{down > top - multiple.count ? down : down + multiple.count};
}

std::vector<std::string> split_words(std::string_view line)
{
	std::vector<std::string> words;
	std::size_t i = 0;
	while (i < line.size()) {
		while (i < line.size() && is_blank(line[i]))
			i++;
		std::size_t end = i;
		while (end < line.size() && !is_blank(line[end]))
			end++;
		if (end > i)
			words.emplace_back(line.substr(i, end - i));
		i = end;
	}
	return words;
}

std::string join(const std::vector<std::string>& parts, std::string_view between)
{
	std::string text;
	for (const std::string& part : parts) {
		if (&part != &parts.front())
			text += between;
		text += part;
	}
	return text;
}

} // namespace snapctl
