// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <sstream>

#include "base/config.h"
#include "base/error.h"

using namespace snapctl;

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(the_commented_default_says_what_the_program_does_without_it)
{
	std::ifstream file{SNAPCTL_TOP "/userspace/data/snapctl.toml"};
	BOOST_REQUIRE(file);
	std::ostringstream text;
	text << file.rdbuf();
	const Config shipped = parse_config(text.str()), built_in;
	BOOST_TEST(shipped.state_directory == built_in.state_directory);
	BOOST_TEST(shipped.socket == built_in.socket);
	BOOST_TEST(shipped.read_group == built_in.read_group);
	BOOST_TEST(shipped.cow_directory == built_in.cow_directory);
	BOOST_TEST(shipped.extend_file == built_in.extend_file);
	BOOST_TEST(shipped.extend_volume_group == built_in.extend_volume_group);
	BOOST_TEST(shipped.threshold.count == built_in.threshold.count);
	BOOST_TEST(shipped.step.count == built_in.step.count);
	BOOST_TEST(shipped.maximum.count == built_in.maximum.count);
	BOOST_TEST(shipped.no_space_timeout == built_in.no_space_timeout);
}

BOOST_AUTO_TEST_CASE(what_is_set_is_taken)
{
	const Config config = parse_config("[extend]\nthreshold = \"70%\"\nfile = false\n"
					   "[daemon]\nread_group = \"adm\"\n[full]\nno_space_timeout = 5\n");
	BOOST_TEST(config.threshold.count == 70u);
	BOOST_TEST(!config.extend_file);
	BOOST_TEST(config.extend_volume_group);
	BOOST_TEST(config.read_group == "adm");
	BOOST_TEST(config.no_space_timeout == 5u);
}

BOOST_AUTO_TEST_CASE(mistakes_are_named_with_their_line)
{
	const std::vector<std::pair<const char*, const char*>> table = {
		{"[extend]\nthreshold = 80\n", "c.toml:2: extend.threshold: it must be a text in quotes"},
		{"[extend]\nthreshold = \"80\"\n", "c.toml:2: extend.threshold: it is not a percentage"},
		{"[extend]\nthreshold = \"101%\"\n", "c.toml:2: extend.threshold: it must be at most 100%"},
		{"[extend]\nstep = \"0%\"\n", "c.toml:2: extend.step: it must be more than 0%"},
		{"[extend]\n\nsteps = \"5%\"\n", "c.toml:3: extend.steps: there is no such setting"},
		{"threshold = \"80%\"\n", "c.toml:1: threshold: it belongs into a section, such as [extend]"},
		{"[extend]\nfile = 1\n", "c.toml:2: extend.file: it must be true or false"},
		{"[space]\ncow_directory = \"cow\"\n", "c.toml:2: space.cow_directory: it must be a path that starts with /"},
		{"[full]\nno_space_timeout = -1\n", "c.toml:2: full.no_space_timeout: it must be a number from 0 to 2147483647"},
		{"[full]\nno_space_timeout = 2147483648\n", "c.toml:2: full.no_space_timeout: it must be a number from 0 to 2147483647"},
		{"[extend]\ndevice = true\n", "c.toml:2: extend.device: there is no such setting"},
	};
	for (const auto& [text, message] : table)
		BOOST_CHECK_EXCEPTION(static_cast<void>(parse_config(text, "c.toml")), Error,
				      [&](const Error& error) {
					      BOOST_TEST(error.what() == std::string{message});
					      return true;
				      });
	BOOST_CHECK_THROW(static_cast<void>(parse_config("[extend\n", "c.toml")), Error);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_there_means_the_defaults)
{
	BOOST_TEST(load_config("/nonexistent/snapctl.toml").threshold.count == 80u);
	BOOST_CHECK_THROW(static_cast<void>(load_config("/dev/null/snapctl.toml")), Error);
}

BOOST_AUTO_TEST_SUITE_END()
