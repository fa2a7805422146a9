// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a verb of the command line is. The registry is the one list of them;
// parser, help, completion, man pages and tests are made from it.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace snapctl::cli {

class Session;

// What completion may offer.
enum class Kind { text, file, directory, device, origin, snapshot, origin_or_snapshot, verb };

struct Operand {
	std::string name; // "ORIGIN"
	std::string help;
	Kind kind = Kind::text;
	bool optional = false;
	bool many = false; // only the last one
};

struct Option {
	std::string name;  // "size": --size
	std::string value; // "SIZE"; "" for a flag
	std::string help;
	Kind kind = Kind::text;
	std::vector<std::string> choices{}; // when only these will do
};

struct Verb {
	std::string name; // "origin add"
	std::string summary;
	std::vector<Operand> operands;
	std::vector<Option> options; // without those that all have
	bool changes = false;        // has --dry-run
	bool prints = true;          // has --json
	int (*run)(Session&) = nullptr;
};

enum ExitCode { done = 0, failed = 1, usage = 2, damage = 3, unreachable = 4 };

// The command line makes no sense.
class UsageError : public std::runtime_error {
public:
	using std::runtime_error::runtime_error;
};

[[nodiscard]] std::span<const Verb> registry();
// The verb that these words begin with, the longest one.
[[nodiscard]] const Verb* find_verb(std::span<const std::string> words);
// Those of the verb, then --dry-run, --json, --socket and --help as it has them.
[[nodiscard]] std::vector<Option> all_options(const Verb& verb);

// A verb with what was given to it.
struct Invocation {
	const Verb* verb = nullptr;
	std::map<std::string, std::string> options; // flags have ""
	std::vector<std::string> operands;

	[[nodiscard]] bool has(const std::string& option) const { return options.contains(option); }
	[[nodiscard]] std::optional<std::string> get(const std::string& option) const
	{
		const auto found = options.find(option);
		return found == options.end() ? std::nullopt : std::optional{found->second};
	}
};

// Throws UsageError.
[[nodiscard]] Invocation parse_command_line(std::span<const std::string> words);

} // namespace snapctl::cli
