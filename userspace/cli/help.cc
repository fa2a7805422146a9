// SPDX-License-Identifier: GPL-2.0-or-later
//
// Everything that the registry tells: help, the heads of the man pages, the
// completion scripts.
#include "cli/help.h"

#include <algorithm>
#include <sstream>

#include "cli/output.h"
#include "cli/session.h"

namespace snapctl::cli {

namespace {

std::string words_of(const Option& option)
{
	return "--" + option.name + (option.value.empty() ? "" : ' ' + option.value);
}

// Breaks a text into lines of at most `width`, each after the first with the indent.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width)
{
	std::istringstream words{text};
	std::string out;
	std::size_t column = indent;
	for (std::string word; words >> word;) {
		if (column > indent && column + 1 + word.size() > width) {
			out += '\n' + std::string(indent, ' ');
			column = indent;
		} else if (column > indent) {
			out += ' ';
			column++;
		}
		out += word;
		column += word.size();
	}
	return out;
}

void entry(std::string& out, const std::string& left, const std::string& right, std::size_t indent)
{
	std::string line = "  " + left;
	if (line.size() + 2 > indent)
		line += '\n' + std::string(indent, ' ');
	else
		line += std::string(indent - line.size(), ' ');
	out += line + wrapped(right, indent, 90) + '\n';
}

std::string man_escaped(const std::string& text)
{
	std::string out;
	for (const char c : text) {
		if (c == '-')
			out += "\\-";
		else if (c == '\\')
			out += "\\e";
		else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
			out += std::string{"\\&"} + c;
		else
			out += c;
	}
	return out;
}

std::string page_name(const Verb& verb)
{
	std::string name = "snapctl-" + verb.name;
	std::ranges::replace(name, ' ', '-');
	return name;
}

std::string upper(std::string text)
{
	std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
	return text;
}

std::string head_of_page(const std::string& name, const std::string& summary)
{
	return ".\\\" SPDX-License-Identifier: GPL-2.0-or-later\n"
	       ".TH " + upper(man_escaped(name)) + " 8 \"\" \"snapctl " + version + "\" \"snapctl\"\n"
	       ".SH NAME\n" + man_escaped(name) + " \\- " + man_escaped(summary) + "\n.SH SYNOPSIS\n";
}

// What the shell may offer for an operand or the value of an option.
const char* word_of(Kind kind)
{
	switch (kind) {
	case Kind::file:
	case Kind::device: return "file";
	case Kind::directory: return "directory";
	case Kind::origin: return "origin";
	case Kind::snapshot: return "snapshot";
	case Kind::origin_or_snapshot: return "origin_or_snapshot";
	case Kind::verb: return "verb";
	case Kind::text: break;
	}
	return "text";
}

} // namespace

std::string synopsis(const Verb& verb)
{
	std::string text = "snapctl " + verb.name;
	if (!verb.options.empty() || verb.changes || verb.prints)
		text += " [OPTION]...";
	for (const Operand& operand : verb.operands) {
		const std::string word = operand.name + (operand.many ? "..." : "");
		text += operand.optional ? " [" + word + ']' : ' ' + word;
	}
	return text;
}

std::string help_of_all()
{
	std::string out = "usage: snapctl VERB [OPTION]... [ARGUMENT]...\n\n"
			  "Snapshots of block devices that do not die of a full disk.\n\n";
	for (const Verb& verb : registry())
		entry(out, verb.name, verb.summary, 18);
	out += "\n`snapctl help VERB` says how one is used.\n"
	       "Exit codes: 0 done, 1 failed, 2 usage, 3 damage found, 4 daemon unreachable.\n";
	return out;
}

std::string help_of(const Verb& verb)
{
	std::string out = "usage: " + synopsis(verb) + "\n\n" + verb.summary + "\n\n";
	for (const Operand& operand : verb.operands)
		entry(out, operand.name, operand.help, 22);
	if (!verb.operands.empty())
		out += '\n';
	for (const Option& option : all_options(verb))
		entry(out, words_of(option), option.help, 22);
	return out;
}

std::string man_page_head(const Verb& verb)
{
	std::string out = head_of_page(page_name(verb), verb.summary);
	out += ".B snapctl " + man_escaped(verb.name) + "\n";
	out += "[\\fIOPTION\\fR]...\n";
	for (const Operand& operand : verb.operands) {
		const std::string word = "\\fI" + man_escaped(operand.name) + "\\fR" + (operand.many ? "..." : "");
		out += (operand.optional ? '[' + word + ']' : word) + '\n';
	}
	if (!verb.operands.empty()) {
		out += ".SH ARGUMENTS\n";
		for (const Operand& operand : verb.operands)
			out += ".TP\n.I " + man_escaped(operand.name) + '\n' + man_escaped(operand.help) + ".\n";
	}
	out += ".SH OPTIONS\n";
	for (const Option& option : all_options(verb)) {
		out += ".TP\n\\fB" + man_escaped("--" + option.name) + "\\fR";
		if (!option.value.empty())
			out += " \\fI" + man_escaped(option.value) + "\\fR";
		out += '\n' + man_escaped(option.help) + ".\n";
	}
	return out;
}

std::string man_page_head_of_all()
{
	std::string out = head_of_page("snapctl", "snapshots of block devices");
	out += ".B snapctl\n\\fIVERB\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n.SH VERBS\n";
	for (const Verb& verb : registry())
		out += ".TP\n.B " + man_escaped(verb.name) + '\n' + man_escaped(verb.summary) + ". See\n.BR " +
		       man_escaped(page_name(verb)) + " (8).\n";
	return out;
}

std::string completion_for_bash()
{
	std::string out = "# SPDX-License-Identifier: GPL-2.0-or-later\n"
			  "#\n# Completion of snapctl for bash: made by `snapctl help --as bash`.\n\n"
			  "# What may come for a kind of word. The daemon may not run: then nothing.\n"
			  "_snapctl_kind() {\n"
			  "\tcase $1 in\n"
			  "\tfile) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
			  "\tdirectory) compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\")) ;;\n"
			  "\torigin) COMPREPLY=($(compgen -W \"$(snapctl origin list --names 2>/dev/null)\" -- \"$cur\")) ;;\n"
			  "\tsnapshot) COMPREPLY=($(compgen -W \"$(snapctl list --names 2>/dev/null)\" -- \"$cur\")) ;;\n"
			  "\torigin_or_snapshot) COMPREPLY=($(compgen -W \"$(snapctl origin list --names 2>/dev/null; "
			  "snapctl list --names 2>/dev/null)\" -- \"$cur\")) ;;\n"
			  "\tverb) COMPREPLY=($(compgen -W \"";
	std::string first_words, second_words;
	for (const Verb& verb : registry()) {
		const auto blank = verb.name.find(' ');
		const std::string word = verb.name.substr(0, blank);
		if ((' ' + first_words + ' ').find(' ' + word + ' ') == std::string::npos)
			first_words += (first_words.empty() ? "" : " ") + word;
		if (blank != std::string::npos)
			second_words += (second_words.empty() ? "" : " ") + verb.name.substr(blank + 1);
	}
	out += first_words + "\" -- \"$cur\")) ;;\n\tesac\n}\n\n"
	       "_snapctl() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]-} operand=0 first=2 i\n"
	       "\tCOMPREPLY=()\n"
	       "\tif ((COMP_CWORD == 1)); then\n\t\t_snapctl_kind verb\n\t\treturn\n\tfi\n"
	       "\tif [[ $verb == origin ]]; then\n"
	       "\t\tif ((COMP_CWORD == 2)); then\n\t\t\tCOMPREPLY=($(compgen -W \"" + second_words +
	       "\" -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n"
	       "\t\tverb+=\" ${COMP_WORDS[2]}\"\n\t\tfirst=3\n\tfi\n"
	       "\t# The value of an option.\n"
	       "\tcase \"$verb $prev\" in\n";
	std::string flags = "\tcase $verb in\n", operands;
	for (const Verb& verb : registry()) {
		std::string all, with_value;
		for (const Option& option : all_options(verb)) {
			all += (all.empty() ? "--" : " --") + option.name;
			if (option.value.empty())
				continue;
			with_value += (with_value.empty() ? "--" : "|--") + option.name;
			out += "\t'" + verb.name + " --" + option.name + "') ";
			if (option.choices.empty()) {
				out += std::string{"_snapctl_kind "} + word_of(option.kind);
			} else {
				std::string choices;
				for (const auto& choice : option.choices)
					choices += (choices.empty() ? "" : " ") + choice;
				out += "COMPREPLY=($(compgen -W \"" + choices + "\" -- \"$cur\"))";
			}
			out += "; return ;;\n";
		}
		std::string kinds;
		for (const Operand& operand : verb.operands)
			kinds += (kinds.empty() ? "" : " ") + std::string{word_of(operand.kind)};
		flags += "\t'" + verb.name + "') flags='" + all + "' valued='" + with_value + "' kinds=(" + kinds + ") ;;\n";
	}
	out += "\tesac\n\tlocal flags='' valued='' kinds=()\n" + flags +
	       "\t*) return ;;\n\tesac\n"
	       "\tif [[ $cur == -* ]]; then\n\t\tCOMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n\t\treturn\n\tfi\n"
	       "\tfor ((i = first; i < COMP_CWORD; i++)); do\n"
	       "\t\tif [[ ${COMP_WORDS[i]} == -* ]]; then\n"
	       "\t\t\t[[ \"|$valued|\" != *\"|${COMP_WORDS[i]}|\"* ]] || i=$((i + 1))\n"
	       "\t\telse\n\t\t\toperand=$((operand + 1))\n\t\tfi\n\tdone\n"
	       "\t((${#kinds[@]} > 0)) || return\n"
	       "\t((operand < ${#kinds[@]})) || operand=$((${#kinds[@]} - 1))\n"
	       "\t_snapctl_kind \"${kinds[operand]}\"\n}\n"
	       "complete -F _snapctl snapctl\n";
	return out;
}

namespace {

std::string zsh_escaped(const std::string& text)
{
	std::string out;
	for (const char c : text) {
		if (c == '\'')
			out += "'\\''";
		else if (c == ':' || c == '[' || c == ']')
			out += std::string{"\\"} + c;
		else
			out += c;
	}
	return out;
}

std::string zsh_action(Kind kind, const std::vector<std::string>& choices)
{
	if (!choices.empty()) {
		std::string words;
		for (const auto& choice : choices)
			words += (words.empty() ? "" : " ") + choice;
		return '(' + words + ')';
	}
	switch (kind) {
	case Kind::file:
	case Kind::device: return "_files";
	case Kind::directory: return "_files -/";
	case Kind::origin: return "{_snapctl_names origins}";
	case Kind::snapshot: return "{_snapctl_names snapshots}";
	case Kind::origin_or_snapshot: return "{_snapctl_names origins snapshots}";
	case Kind::verb: return "{_snapctl_verbs}";
	case Kind::text: break;
	}
	return " ";
}

} // namespace

std::string completion_for_zsh()
{
	std::string out = "#compdef snapctl\n# SPDX-License-Identifier: GPL-2.0-or-later\n"
			  "#\n# Completion of snapctl for zsh: made by `snapctl help --as zsh`.\n\n"
			  "_snapctl_names() {\n\tlocal -a names\n\tlocal kind\n"
			  "\tfor kind in \"$@\"; do\n\t\tcase $kind in\n"
			  "\t\torigins) names+=(${(f)\"$(snapctl origin list --names 2>/dev/null)\"}) ;;\n"
			  "\t\tsnapshots) names+=(${(f)\"$(snapctl list --names 2>/dev/null)\"}) ;;\n"
			  "\t\tesac\n\tdone\n\tcompadd -a names\n}\n\n"
			  "_snapctl_verbs() {\n\tlocal -a verbs=(\n";
	std::string origin_verbs;
	bool origin_said = false;
	for (const Verb& verb : registry()) {
		const auto blank = verb.name.find(' ');
		if (blank == std::string::npos) {
			out += "\t\t'" + verb.name + ':' + zsh_escaped(verb.summary) + "'\n";
			continue;
		}
		if (!origin_said)
			out += "\t\t'" + verb.name.substr(0, blank) + ":volumes under snapctl'\\''s care'\n";
		origin_said = true;
		origin_verbs += "\t\t'" + verb.name.substr(blank + 1) + ':' + zsh_escaped(verb.summary) + "'\n";
	}
	out += "\t)\n\t_describe verb verbs\n}\n\n_snapctl_origin_verbs() {\n\tlocal -a verbs=(\n" + origin_verbs +
	       "\t)\n\t_describe verb verbs\n}\n\n"
	       "_snapctl() {\n\tlocal verb=${words[2]}\n"
	       "\tif ((CURRENT == 2)); then\n\t\t_snapctl_verbs\n\t\treturn\n\tfi\n"
	       "\tif [[ $verb == origin ]]; then\n"
	       "\t\tif ((CURRENT == 3)); then\n\t\t\t_snapctl_origin_verbs\n\t\t\treturn\n\t\tfi\n"
	       "\t\tverb+=\" ${words[3]}\"\n\t\tshift words\n\t\t((CURRENT--))\n\tfi\n"
	       "\tshift words\n\t((CURRENT--))\n"
	       "\tcase $verb in\n";
	for (const Verb& verb : registry()) {
		out += "\t'" + verb.name + "') _arguments";
		for (const Option& option : all_options(verb)) {
			out += " \\\n\t\t'--" + option.name + '[' + zsh_escaped(option.help) + ']';
			if (!option.value.empty())
				out += ':' + option.value + ':' + zsh_action(option.kind, option.choices);
			out += '\'';
		}
		for (const Operand& operand : verb.operands)
			out += std::string{" \\\n\t\t'"} + (operand.many ? "*" : "") + (operand.optional && !operand.many ? ":" : "") +
			       ':' + operand.name + ':' + zsh_action(operand.kind, {}) + '\'';
		out += "\n\t\t;;\n";
	}
	return out + "\tesac\n}\n\n_snapctl \"$@\"\n";
}

int run_help(Session& session)
{
	std::string name;
	for (const auto& word : session.invocation.operands)
		name += (name.empty() ? "" : " ") + word;
	const Verb* verb = nullptr;
	for (const Verb& each : registry())
		if (each.name == name)
			verb = &each;
	std::string group; // `help origin`
	if (!name.empty() && !verb) {
		for (const Verb& each : registry())
			if (each.name.starts_with(name + ' '))
				group += help_of(each) + '\n';
		if (group.empty())
			throw UsageError("there is no verb '" + name + "'; `snapctl help` lists them");
	}
	const std::string form = session.invocation.get("as").value_or("text");
	std::string text;
	if (form == "bash" || form == "zsh") {
		text = form == "bash" ? completion_for_bash() : completion_for_zsh();
	} else if (form == "man") {
		if (!group.empty())
			throw UsageError("'" + name + "' is no whole verb");
		text = verb ? man_page_head(*verb) : man_page_head_of_all();
	} else {
		text = verb ? help_of(*verb) : group.empty() ? help_of_all() : group;
	}
	if (!session.json()) {
		session.terminal.out << text;
		return done;
	}
	auto json = json_document();
	json["verbs"] = OutputJson::array();
	for (const Verb& each : registry()) {
		if (!name.empty() && each.name != name && !each.name.starts_with(name + ' '))
			continue;
		OutputJson entry_json{{"name", each.name}, {"summary", each.summary}, {"synopsis", synopsis(each)}};
		entry_json["options"] = OutputJson::array();
		for (const Option& option : all_options(each))
			entry_json["options"].push_back({{"name", option.name}, {"value", option.value}, {"help", option.help}});
		json["verbs"].push_back(std::move(entry_json));
	}
	print_json(session.terminal.out, json);
	return done;
}

} // namespace snapctl::cli
