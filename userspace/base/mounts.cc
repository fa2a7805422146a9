// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mounts.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/text.h"

namespace snapctl {

namespace {

// Blanks and backslashes in a path are written as \040 and the like.
std::string unescaped(const std::string& text)
{
	const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
	std::string plain;
	for (std::size_t i = 0; i < text.size(); i++) {
		if (text[i] == '\\' && i + 3 < text.size() && std::all_of(&text[i + 1], &text[i + 4], is_octal)) {
			plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
			i += 3;
		} else {
			plain += text[i];
		}
	}
	return plain;
}

} // namespace

std::vector<Mount> parse_mounts(std::istream& mountinfo)
{
	std::vector<Mount> found;
	for (std::string line; std::getline(mountinfo, line);) {
		// ID PARENT NUMBER ROOT POINT OPTIONS [FIELD]... - TYPE SOURCE OPTIONS-OF-THE-FILE-SYSTEM
		const std::vector<std::string> words = split_words(line);
		const auto dash = std::find(words.begin(), words.end(), "-");
		if (dash - words.begin() < 6 || words.end() - dash < 4)
			continue;
		found.push_back({words[2], unescaped(words[4]), dash[1], unescaped(dash[2]),
				 dash[3] == "rw" || dash[3].starts_with("rw,")});
	}
	return found;
}

std::vector<Mount> mounts()
{
	std::ifstream mountinfo{"/proc/self/mountinfo"};
	return parse_mounts(mountinfo);
}

std::optional<std::string> parse_fstab_for(const std::string& path, std::istream& fstab)
{
	std::optional<std::string> longest;
	for (std::string line; std::getline(fstab, line);) {
		// SOURCE POINT TYPE OPTIONS [DUMP [PASS]]
		const std::vector<std::string> words = split_words(line);
		if (words.size() < 3 || words[0].starts_with("#"))
			continue;
		std::string point = std::filesystem::path{unescaped(words[1])}.lexically_normal().string();
		while (point.size() > 1 && point.ends_with("/"))
			point.pop_back();
		const bool at_boot = words.size() < 4 || (',' + words[3] + ',').find(",noauto,") == std::string::npos;
		const bool above = point.size() > 1 && (path + '/').starts_with(point + '/');
		if (at_boot && above && (!longest || longest->size() < point.size()))
			longest = point;
	}
	return longest;
}

std::optional<std::string> fstab_mount_of(const std::string& path)
{
	std::ifstream fstab{"/etc/fstab"};
	std::error_code error;
	const auto real = std::filesystem::weakly_canonical(path, error);
	return parse_fstab_for(error ? path : real.string(), fstab);
}

} // namespace snapctl
