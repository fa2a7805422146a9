// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include <CLI/CLI.hpp>

#include "cli/verb.h"

namespace snapctl::cli {

namespace {

std::size_t words_in(const std::string& name)
{
	return 1 + static_cast<std::size_t>(std::ranges::count(name, ' '));
}

std::string joined(std::span<const std::string> words)
{
	std::string text;
	for (const auto& word : words)
		text += (text.empty() ? "" : " ") + word;
	return text;
}

} // namespace

Invocation parse_command_line(std::span<const std::string> words)
{
	const Verb* verb = find_verb(words);
	if (!verb) {
		if (words.empty())
			throw UsageError("a verb is missing; `snapctl help` lists them");
		throw UsageError("there is no verb '" + joined(words.first(std::min<std::size_t>(
								 words.size(), words[0] == "origin" ? 2 : 1))) +
				 "'; `snapctl help` lists them");
	}
	Invocation invocation{verb, {}, {}};
	CLI::App app;
	app.set_help_flag();
	for (const Option& option : all_options(*verb)) {
		const std::string flag = "--" + option.name + (option.name == "help" ? ",-h" : "");
		auto& into = invocation.options;
		const std::string& name = option.name;
		if (option.value.empty()) {
			app.add_flag_callback(flag, [&into, name] { into[name] = ""; });
			continue;
		}
		auto* added = app.add_option_function<std::string>(
			flag, [&into, name](const std::string& value) { into[name] = value; });
		if (!option.choices.empty())
			added->check(CLI::IsMember(option.choices));
	}
	std::vector<std::string> operands;
	app.add_option("operands", operands);
	app.positionals_at_end(false);

	std::vector<std::string> rest{words.begin() + static_cast<std::ptrdiff_t>(words_in(verb->name)), words.end()};
	std::ranges::reverse(rest);
	try {
		app.parse(rest);
	} catch (const CLI::ParseError& error) {
		throw UsageError(error.what());
	}
	invocation.operands = std::move(operands);
	if (invocation.has("help"))
		return invocation;

	std::size_t least = 0;
	bool many = false;
	for (const Operand& operand : verb->operands) {
		least += operand.optional ? 0 : 1;
		many = many || operand.many;
		if (least > invocation.operands.size())
			throw UsageError(operand.name + " is missing");
	}
	if (!many && invocation.operands.size() > verb->operands.size())
		throw UsageError("'" + invocation.operands[verb->operands.size()] + "' is one argument too many");
	return invocation;
}

} // namespace snapctl::cli
