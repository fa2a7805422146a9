// SPDX-License-Identifier: GPL-2.0-or-later
//
// The verbs. Only their description is here.
#include <array>

#include "cli/session.h"
#include "cli/verb.h"

namespace snapctl::cli {

namespace {

const Operand one_snapshot{"SNAPSHOT", "the snapshot's name", Kind::snapshot};

const std::vector<Option> merge_options{
	{"background", "", "start it and do not wait"},
	{"pause", "", "stop a merge that is under way, or take back one that has not begun; the volume can be used"},
	{"resume", "", "go on with it"},
	{"rate", "SIZE", "merge at most so much a second; 0 is no limit. Also of a merge under way"},
};

const Option names_option{"names", "", "print the names only, one a line"};

const std::vector<Verb> verbs{
	{"origin add", "put a volume under snapctl's care",
	 {{"NAME", "what it is to be called; a disk or partition becomes /dev/mapper/NAME"},
	  {"DEVICE", "a block device that is not in use, or a device-mapper device, also in use", Kind::device}},
	 {}, true, true, run_origin_add},
	{"origin remove", "give a volume back",
	 {{"ORIGIN", "its name", Kind::origin}},
	 {}, true, true, run_origin_remove},
	{"origin list", "list the volumes under snapctl's care", {}, {names_option}, false, true, run_origin_list},
	{"create", "take a snapshot, or one of each of several volumes at one instant",
	 {{"ORIGIN", "the volume; with --set, all of them", Kind::origin},
	  {"SNAPSHOT", "what the snapshot is to be called; with --set NAME, the snapshots are called ORIGIN-NAME",
	   Kind::origin, true, true}},
	 {{"size", "SIZE", "space for what changes: 20% of the volume, or 10G. The default is 20%. Not with --cow"},
	  {"dir", "DIRECTORY", "take the space from a file here; the default is cow_directory of the configuration", Kind::directory},
	  {"vg", "GROUP", "take the space from this volume group of LVM2"},
	  {"cow", "DEVICE", "use this block device, all of it, which is overwritten", Kind::device},
	  {"chunk", "SIZE", "copy in units of this size, a power of two. The default is 4 KiB, or the devices' block size"},
	  {"transient", "", "keep no metadata: quicker, and gone after a reboot"},
	  {"on-full", "WHAT", "when there is no space left: queue (hold I/O back until there is, the origin's too), overflow (reads go on), or invalidate. The default is queue",
	   Kind::text, {"queue", "overflow", "invalidate"}},
	  {"read-only", "", "the snapshot cannot be written"},
	  {"set", "NAME", "take one of each volume given, all at one instant"}},
	 true, true, run_create},
	{"list", "list the snapshots",
	 {{"ORIGIN", "only those of this volume", Kind::origin, true}},
	 {names_option}, false, true, run_list},
	{"show", "show everything known about a volume or a snapshot",
	 {{"NAME", "of an origin or a snapshot", Kind::origin_or_snapshot}},
	 {}, false, true, run_show},
	{"remove", "remove a snapshot and give its space back", {one_snapshot}, {}, true, true, run_remove},
	{"extend", "give a snapshot more space, also while it is used",
	 {one_snapshot, {"SIZE", "how much more: 50% of what it has, or 2G"}},
	 {}, true, true, run_extend},
	{"activate", "make the device of a snapshot",
	 {{"SNAPSHOT", "the snapshot's name", Kind::snapshot, true}},
	 {{"all", "", "of all origins and snapshots that are not active, and go on with merges: what is done at boot"}},
	 true, true, run_activate},
	{"deactivate", "take the device of a snapshot away and keep what it holds", {one_snapshot}, {}, true, true, run_deactivate},
	{"rename", "give a snapshot another name",
	 {one_snapshot, {"NEW-NAME", "what it is to be called"}},
	 {}, true, true, run_rename},
	{"merge", "put a volume back to what a snapshot of it shows", {one_snapshot}, merge_options, true, true, run_merge},
	{"rollback", "the same as merge", {one_snapshot}, merge_options, true, true, run_merge},
	{"watch", "print events as they happen",
	 {{"NAME", "only those of this snapshot, or of the snapshots of this origin", Kind::origin_or_snapshot, true}},
	 {{"count", "N", "end after so many"}},
	 false, true, run_watch},
	{"status", "say at a glance how things are", {}, {}, false, true, run_status},
	{"metrics", "print figures as OpenMetrics text", {}, {}, false, true, run_metrics},
	{"doctor", "look for what is wrong, and say what to do", {}, {}, false, true, run_doctor},
	{"table", "print the device-mapper tables of an origin or a snapshot",
	 {{"NAME", "of an origin or a snapshot", Kind::origin_or_snapshot}},
	 {}, false, true, run_table},
	{"daemon", "run the daemon that all other verbs speak to", {},
	 {{"config", "FILE", "its configuration; the default is /etc/snapctl/snapctl.toml", Kind::file},
	  {"simulate", "", "with simulated devices: for trying and testing, needs no root"}},
	 false, false, run_daemon},
	{"help", "say how snapctl is used",
	 {{"VERB", "how this one is used", Kind::verb, true, true}},
	 {{"as", "FORM", "text; man: the head of a man page; bash, zsh: a completion script", Kind::text, {"text", "man", "bash", "zsh"}}},
	 false, true, run_help},
};

} // namespace

std::span<const Verb> registry() { return verbs; }

const Verb* find_verb(std::span<const std::string> words)
{
	std::string two = words.size() > 1 ? words[0] + ' ' + words[1] : std::string{};
	const Verb* found = nullptr;
	for (const Verb& verb : verbs) {
		if (!words.empty() && verb.name == words[0])
			found = &verb;
		if (verb.name == two)
			return &verb;
	}
	return found;
}

std::vector<Option> all_options(const Verb& verb)
{
	std::vector<Option> options = verb.options;
	if (verb.changes)
		options.push_back({"dry-run", "", "print what would be done, and change nothing"});
	if (verb.prints)
		options.push_back({"json", "", "print JSON"});
	options.push_back({"socket", "PATH", "the daemon's socket; the default is the configuration's", Kind::file});
	options.push_back({"help", "", "say how this is used"});
	return options;
}

} // namespace snapctl::cli
