// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/config.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <sstream>

#include <toml++/toml.h>

#include "base/error.h"
#include "base/mounts.h"
#include "base/text.h"

namespace snapctl {

namespace {

using Node = toml::node;

// Of a timeout, as the module takes it.
constexpr std::uint64_t most_seconds = std::numeric_limits<std::int32_t>::max();

class Reader {
public:
	explicit Reader(std::string_view name) : name_{name} {}

	void string(const Node& node, const std::string& key, std::string& value) const
	{
		const auto got = node.value_exact<std::string>();
		if (!got)
			wrong(node, key, "it must be a text in quotes");
		value = *got;
	}
	void path(const Node& node, const std::string& key, std::string& value) const
	{
		string(node, key, value);
		if (value.empty() || value[0] != '/')
			wrong(node, key, "it must be a path that starts with /");
	}
	void boolean(const Node& node, const std::string& key, bool& value) const
	{
		const auto got = node.value_exact<bool>();
		if (!got)
			wrong(node, key, "it must be true or false");
		value = *got;
	}
	void number(const Node& node, const std::string& key, std::uint64_t most, std::uint64_t& value) const
	{
		const auto got = node.value_exact<std::int64_t>();
		if (!got || *got < 0 || static_cast<std::uint64_t>(*got) > most)
			wrong(node, key, "it must be a number from 0 to " + std::to_string(most));
		value = static_cast<std::uint64_t>(*got);
	}
	void percent(const Node& node, const std::string& key, Percent& value) const
	{
		std::string text;
		string(node, key, text);
		try {
			value = parse_percent(text);
		} catch (const Error& error) {
			wrong(node, key, error.reason());
		}
	}
	[[noreturn]] void wrong(const Node& node, const std::string& key, std::string_view reason) const
	{
		const std::string where = name_ + ":" + std::to_string(node.source().begin.line);
		throw Error{Failure::malformed, where, key, reason};
	}

private:
	std::string name_;
};

} // namespace

Config parse_config(std::string_view text, std::string_view name)
{
	toml::table root;
	try {
		root = toml::parse(text, name);
	} catch (const toml::parse_error& error) {
		throw Error{Failure::malformed, std::string{name} + ":" +
			    std::to_string(error.source().begin.line), "", error.description()};
	}

	Config config;
	const Reader read{name};
	using Take = std::function<void(const Node&, const std::string&)>;
	const std::map<std::string, Take> known = {
		{"daemon.state_directory", [&](auto& n, auto& k) { read.path(n, k, config.state_directory); }},
		{"daemon.socket", [&](auto& n, auto& k) { read.path(n, k, config.socket); }},
		{"daemon.read_group", [&](auto& n, auto& k) { read.string(n, k, config.read_group); }},
		{"space.cow_directory", [&](auto& n, auto& k) { read.path(n, k, config.cow_directory); }},
		{"extend.file", [&](auto& n, auto& k) { read.boolean(n, k, config.extend_file); }},
		{"extend.volume_group", [&](auto& n, auto& k) { read.boolean(n, k, config.extend_volume_group); }},
		{"extend.threshold", [&](auto& n, auto& k) {
			 read.percent(n, k, config.threshold);
			 if (config.threshold > Percent{100})
				 read.wrong(n, k, "it must be at most 100%");
		 }},
		{"extend.step", [&](auto& n, auto& k) {
			 read.percent(n, k, config.step);
			 if (config.step == Percent{0})
				 read.wrong(n, k, "it must be more than 0%");
		 }},
		{"extend.maximum", [&](auto& n, auto& k) { read.percent(n, k, config.maximum); }},
		{"full.no_space_timeout", [&](auto& n, auto& k) { read.number(n, k, most_seconds, config.no_space_timeout); }},
	};
	for (const auto& [section, node] : root) {
		const std::string section_name{section.str()};
		const toml::table* table = node.as_table();
		if (table == nullptr)
			read.wrong(node, section_name, "it belongs into a section, such as [extend]");
		for (const auto& [key, value] : *table) {
			const std::string full = section_name + "." + std::string{key.str()};
			const auto take = known.find(full);
			if (take == known.end())
				read.wrong(value, full, "there is no such setting");
			take->second(value, full);
		}
	}
	return config;
}

std::string advice_on_state(const Config& config)
{
	return "set state_directory in " + std::string{default_config_path} +
	       " to a folder on the root file system, and move what is in " + config.state_directory + " there";
}

void check_state_is_mounted(const Config& config)
{
	const auto point = fstab_mount_of(config.state_directory);
	if (!point)
		return;
	const auto all = mounts();
	if (std::none_of(all.begin(), all.end(), [&](const Mount& mount) { return mount.point == *point && mount.type != "autofs"; }))
		throw Error{Failure::busy, "registry", config.state_directory, "it is on " + *point + ", which is not mounted yet",
			    advice_on_state(config)};
}

Config load_config(const std::string& path)
{
	std::ifstream file{path};
	if (!file) {
		if (errno == ENOENT)
			return {};
		throw Error::from_errno(errno, "configuration", path);
	}
	std::ostringstream text;
	text << file.rdbuf();
	return parse_config(text.str(), path);
}

} // namespace snapctl
