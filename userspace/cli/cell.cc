// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cell.h"

#include <array>
#include <cstdio>
#include <ctime>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace snapctl::cli {

namespace {

template <class... F> struct Overloaded : F... {
	using F::operator()...;
};
template <class... F> Overloaded(F...) -> Overloaded<F...>;

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

std::string format_time(system_clock::time_point when)
{
	const std::time_t t = system_clock::to_time_t(when);
	std::tm broken_down{};
	localtime_r(&t, &broken_down);
	std::array<char, 64> text{};
	const std::size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &broken_down);
	return {text.data(), n};
}

std::string format_seconds(seconds s)
{
	const long long n = s.count();
	std::array<char, 64> text{};
	if (n < 3600)
		std::snprintf(text.data(), text.size(), "%lld:%02lld", n / 60, n % 60);
	else
		std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld", n / 3600, n / 60 % 60, n % 60);
	return text.data();
}

std::string format_microseconds(microseconds us)
{
	std::array<char, 64> text{};
	std::snprintf(text.data(), text.size(), "%.1f ms", static_cast<double>(us.count()) / 1000);
	return text.data();
}

} // namespace

std::string text_of(const Cell& cell)
{
	return std::visit(Overloaded{
				  [](Nothing) -> std::string { return "-"; },
				  [](bool value) -> std::string { return value ? "yes" : "no"; },
				  [](std::uint64_t value) { return std::to_string(value); },
				  [](const std::string& value) { return value.empty() ? "-" : value; },
				  [](Bytes value) { return format_bytes_rounded(value); },
				  [](Percent value) { return format_percent(value); },
				  [](seconds value) { return format_seconds(value); },
				  [](microseconds value) { return format_microseconds(value); },
				  [](system_clock::time_point value) { return format_time(value); },
				  [](const std::vector<std::string>& value) {
					  return value.empty() ? std::string{"-"} : join(value, " ");
				  },
			  },
			  cell);
}

nlohmann::ordered_json json_of(const Cell& cell)
{
	using Json = nlohmann::ordered_json;
	return std::visit(Overloaded{
				  [](Nothing) { return Json(nullptr); },
				  [](Bytes value) { return Json(value.count); },
				  [](Percent value) { return Json(value.count); },
				  [](seconds value) { return Json(value.count()); },
				  [](microseconds value) { return Json(value.count()); },
				  [](system_clock::time_point value) {
					  return Json(duration_cast<microseconds>(value.time_since_epoch()).count());
				  },
				  [](const auto& value) { return Json(value); },
			  },
			  cell);
}

bool is_number(const Cell& cell)
{
	return std::holds_alternative<std::uint64_t>(cell) || std::holds_alternative<Bytes>(cell) ||
	       std::holds_alternative<Percent>(cell);
}

} // namespace snapctl::cli
