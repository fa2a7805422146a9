// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "cli/help.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/rows.h"
#include "cli/verb.h"
#include "fake_engine.h"

using namespace snapctl;
using namespace snapctl::cli;

namespace {

Invocation parse(const std::string& line)
{
	std::istringstream in{line};
	std::vector<std::string> words;
	for (std::string word; in >> word;)
		words.push_back(word);
	return parse_command_line(words);
}

// A line with all that a verb needs.
std::string least_line(const Verb& verb)
{
	std::string line = verb.name;
	for (const auto& operand : verb.operands)
		if (!operand.optional)
			line += " x";
	return line;
}

} // namespace

BOOST_AUTO_TEST_SUITE(registry)

BOOST_AUTO_TEST_CASE(every_verb_is_described_and_can_be_run)
{
	std::set<std::string> names;
	for (const Verb& verb : cli::registry()) {
		BOOST_TEST(names.insert(verb.name).second, verb.name << " is there twice");
		BOOST_TEST(!verb.summary.empty());
		BOOST_TEST(verb.run != nullptr);
		std::set<std::string> options;
		for (const Option& option : all_options(verb)) {
			BOOST_TEST(options.insert(option.name).second, verb.name << " --" << option.name << " twice");
			BOOST_TEST(!option.help.empty());
			BOOST_TEST((option.choices.empty() || !option.value.empty()));
		}
		bool was_optional = false;
		for (std::size_t i = 0; i < verb.operands.size(); i++) {
			BOOST_TEST(!verb.operands[i].help.empty());
			BOOST_TEST((!was_optional || verb.operands[i].optional));
			BOOST_TEST((!verb.operands[i].many || i + 1 == verb.operands.size()));
			was_optional = verb.operands[i].optional;
		}
		BOOST_TEST(options.contains("json") == verb.prints);
		BOOST_TEST(options.contains("dry-run") == verb.changes);
	}
	for (const char* name : {"origin add", "origin remove", "origin list", "create", "list", "show", "remove", "extend",
				 "activate", "deactivate", "rename", "merge", "rollback", "watch", "status", "metrics",
				 "doctor", "table", "daemon", "help"})
		BOOST_TEST(names.contains(name), name << " is missing");
}

BOOST_AUTO_TEST_CASE(every_verb_takes_what_it_says_and_nothing_else)
{
	for (const Verb& verb : cli::registry()) {
		const std::string line = least_line(verb);
		BOOST_TEST(parse(line).verb == &verb);
		for (const Option& option : all_options(verb)) {
			const std::string value = option.value.empty() ? "" : option.choices.empty() ? "5" : option.choices.back();
			const auto given = parse(line + " --" + option.name + (value.empty() ? "" : " " + value));
			BOOST_TEST(given.has(option.name));
			BOOST_TEST(given.options.at(option.name) == value);
			if (!option.value.empty())
				BOOST_CHECK_THROW((void)parse(line + " --" + option.name), UsageError);
			if (!option.choices.empty())
				BOOST_CHECK_THROW((void)parse(line + " --" + option.name + " nonsense"), UsageError);
		}
		BOOST_CHECK_THROW((void)parse(line + " --no-such-option"), UsageError);
		if (!verb.operands.empty() && !verb.operands.front().optional)
			BOOST_CHECK_THROW((void)parse(verb.name), UsageError);
		if (verb.operands.empty() || !verb.operands.back().many) {
			std::string more = verb.name;
			for (std::size_t i = 0; i <= verb.operands.size(); i++)
				more += " x";
			BOOST_CHECK_THROW((void)parse(more), UsageError);
		}
		// What it is asked to explain needs no arguments.
		BOOST_TEST(parse(verb.name + " --help").has("help"));
		BOOST_TEST(parse(verb.name + " -h").has("help"));
	}
}

BOOST_AUTO_TEST_CASE(what_is_no_verb_is_refused)
{
	for (const char* line : {"", "dance", "origin", "origin dance", "--json", "creat vol snap"})
		BOOST_CHECK_THROW((void)parse(line), UsageError);
}

BOOST_AUTO_TEST_CASE(options_may_come_anywhere)
{
	const auto given = parse("create --size 10G vol --transient monday --on-full overflow");
	BOOST_TEST((given.operands == std::vector<std::string>{"vol", "monday"}));
	BOOST_TEST(given.options.at("size") == "10G");
	BOOST_TEST(given.has("transient"));
	BOOST_TEST(parse("create vol monday --size=5%").options.at("size") == "5%");
	BOOST_TEST((parse("show -- --odd").operands == std::vector<std::string>{"--odd"}));
}

BOOST_AUTO_TEST_CASE(help_names_everything)
{
	const std::string all = help_of_all();
	for (const Verb& verb : cli::registry()) {
		BOOST_TEST(all.find("\n  " + verb.name + ' ') != std::string::npos);
		const std::string help = help_of(verb);
		const std::string page = man_page_head(verb);
		for (const Option& option : all_options(verb)) {
			BOOST_TEST(help.find("--" + option.name) != std::string::npos);
			std::string escaped = option.name;
			for (std::size_t at = 0; (at = escaped.find('-', at)) != std::string::npos; at += 2)
				escaped.replace(at, 1, "\\-");
			BOOST_TEST(page.find("\\-\\-" + escaped + "\\fR") != std::string::npos, page);
			for (const auto& choice : option.choices)
				BOOST_TEST(option.help.find(choice) != std::string::npos,
					   verb.name << " --" << option.name << " does not explain " << choice);
		}
		for (const Operand& operand : verb.operands)
			BOOST_TEST(help.find(operand.name) != std::string::npos);
		for (const std::string& script : {completion_for_bash(), completion_for_zsh()})
			BOOST_TEST(script.find("'" + verb.name + "')") != std::string::npos);
		std::istringstream lines{help};
		for (std::string line; std::getline(lines, line);)
			BOOST_TEST(line.size() <= 100u, line);
	}
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(output)

BOOST_AUTO_TEST_CASE(text_and_json_come_from_the_same_row)
{
	const auto snapshot = test::full_snapshot();
	const auto json = json_row(snapshot_columns(), snapshot);
	BOOST_TEST(json.at("name") == "monday");
	BOOST_TEST(json.at("allocated_bytes") == 1);
	BOOST_TEST(json.at("total_bytes").is_number_unsigned());
	BOOST_TEST(json.at("used_percent") == 50);
	BOOST_TEST(json.at("created_us") == 1'700'000'000'123'456);
	BOOST_TEST(json.at("space_kind") == "volume_group");
	BOOST_TEST(json.size() == snapshot_columns().size());
	std::ostringstream card;
	print_card(card, snapshot_columns(), snapshot);
	const std::string text = card.str();
	BOOST_TEST(static_cast<std::size_t>(std::ranges::count(text, '\n')) == snapshot_columns().size());
	std::ostringstream list;
	print_list(list, snapshot_columns(), {snapshot, snapshot});
	BOOST_TEST(std::ranges::count(list.str(), '\n') == 3);
	BOOST_TEST(list.str().starts_with("NAME"));
}

template <class Row> void check_keys(const Columns<Row>& columns)
{
	std::set<std::string> keys;
	for (const auto& column : columns) {
		BOOST_TEST(keys.insert(column.key).second);
		BOOST_TEST(column.key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos, column.key);
	}
}

BOOST_AUTO_TEST_CASE(keys_are_snake_case_and_unique)
{
	check_keys(origin_columns());
	check_keys(snapshot_columns());
	check_keys(outcome_columns());
	check_keys(step_columns());
	check_keys(event_columns());
	check_keys(finding_columns());
	BOOST_TEST(json_document().at("snapctl").at("format") == 1);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_null_and_a_dash)
{
	const engine::SnapshotState empty;
	BOOST_TEST(json_row(snapshot_columns(), empty).at("allocated_bytes").is_null());
	BOOST_TEST(text_of(Nothing{}) == "-");
	BOOST_TEST(text_of(std::string{}) == "-");
	BOOST_TEST(text_of(std::vector<std::string>{}) == "-");
	BOOST_TEST(text_of(std::chrono::seconds{3725}) == "1:02:05");
	BOOST_TEST(text_of(std::chrono::seconds{65}) == "1:05");
	BOOST_TEST(text_of(std::chrono::microseconds{12'340}) == "12.3 ms");
}

BOOST_AUTO_TEST_CASE(a_grid_is_aligned_and_harmless)
{
	std::ostringstream out;
	print_grid(out, {"NAME", "SIZE"}, {{std::string{"a\x1b[2J\xc3\xa4"}, std::uint64_t{7}}, {std::string{"b"}, std::uint64_t{100}}});
	BOOST_TEST(out.str() == "NAME    SIZE\na?[2J\xc3\xa4     7\nb        100\n");
}

BOOST_AUTO_TEST_CASE(progress_is_never_wider_than_the_terminal)
{
	engine::MergeState merge{Bytes{1 << 30}, Bytes{2u << 30}, Bytes{100 << 20}, false, std::chrono::seconds{10}};
	const std::string bar = progress_bar("monday", merge, 80);
	BOOST_TEST(bar.starts_with("monday [##"));
	BOOST_TEST(bar.find(" 50%") != std::string::npos);
	BOOST_TEST(bar.find("100 MiB/s") != std::string::npos);
	BOOST_TEST(bar.find("0:10 to go") != std::string::npos);
	for (unsigned width = 1; width < 200; width++)
		BOOST_TEST(progress_bar("monday", merge, width).size() <= width);
	BOOST_TEST(progress_line("monday", merge) == "monday: 50% merged, 1.00 GiB left, 100 MiB/s");
	merge.paused = true;
	BOOST_TEST(progress_line("monday", merge).ends_with("paused"));
}

BOOST_AUTO_TEST_CASE(a_merge_is_not_complete_before_nothing_is_left)
{
	BOOST_TEST(merged_percent({Bytes{1}, Bytes{1'000'000}, {}, false, {}}).count == 99u);
	BOOST_TEST(merged_percent({Bytes{0}, Bytes{1'000'000}, {}, false, {}}).count == 100u);
	BOOST_TEST(merged_percent({Bytes{0}, Bytes{0}, {}, false, {}}).count == 100u);
	// More is left than there was: the snapshot was written meanwhile.
	BOOST_TEST(merged_percent({Bytes{20}, Bytes{10}, {}, false, {}}).count == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
