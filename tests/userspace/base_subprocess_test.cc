// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include "base/error.h"
#include "base/subprocess.h"

using namespace snapctl;

BOOST_AUTO_TEST_SUITE(subprocess)

BOOST_AUTO_TEST_CASE(arguments_reach_the_program_untouched)
{
	const auto result = run_program({"printf", "%s|", "a b", "$HOME", "", "*"});
	BOOST_TEST(result.status == 0);
	BOOST_TEST(result.output == "a b|$HOME||*|");
}

BOOST_AUTO_TEST_CASE(exit_code_signal_and_both_outputs_are_told)
{
	const auto result = run_program({"sh", "-c", "echo out; echo err >&2; exit 3"});
	BOOST_TEST(result.status == 3);
	BOOST_TEST(result.output == "out\n");
	BOOST_TEST(result.errors == "err\n");
	BOOST_TEST(run_program({"sh", "-c", "kill -9 $$"}).status == 128 + 9);
}

BOOST_AUTO_TEST_CASE(output_beyond_the_limit_does_not_block_the_program)
{
	const auto result = run_program({"head", "-c", "3000000", "/dev/zero"});
	BOOST_TEST(result.status == 0);
	BOOST_TEST(result.output.size() == (1u << 20));
}

BOOST_AUTO_TEST_CASE(child_has_neither_our_descriptors_nor_our_environment)
{
	const auto result = run_program({"sh", "-c", "ls /proc/self/fd | wc -l; echo ${USER-unset}${LC_ALL}"});
	// 0, 1, 2 and the folder itself.
	BOOST_TEST(result.output == "4\nunsetC\n");
}

BOOST_AUTO_TEST_CASE(program_that_does_not_end_is_killed)
{
	BOOST_CHECK_THROW(static_cast<void>(run_program({"sleep", "1000"}, std::chrono::milliseconds{50})), Error);
}

BOOST_AUTO_TEST_CASE(program_that_is_not_there_is_an_error)
{
	BOOST_CHECK_THROW(static_cast<void>(run_program({"no-such-program-anywhere"})), Error);
	BOOST_CHECK_THROW(static_cast<void>(run_program({"/no/such/program"})), Error);
}

BOOST_AUTO_TEST_SUITE_END()
