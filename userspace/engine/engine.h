// SPDX-License-Identifier: GPL-2.0-or-later
//
// What snapctl can do, as the daemon and the command line see it.
//
// Everything that changes something is planned first: plan() looks, refuses or
// answers a list of steps that a person can read, and changes nothing; apply()
// takes the steps one by one, journals each before it is taken, and undoes what
// was done when one fails. --dry-run is plan() without apply().
//
// Not thread-safe: the daemon has one thread. No call waits for long work: a
// merge is started here and watched through states and events.
//
// Errors: snapctl::Error (base/error.h), whose text says what, which object, and
// what to do next.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/units.h"

namespace snapctl::engine {

// ---- what is wished for ----------------------------------------------------

// "20%" of the origin, or "10G".
using Size = std::variant<Percent, Bytes>;

enum class SpaceKind { file, volume_group, device };
enum class OnFull { queue, overflow, invalidate };

// Where the copies go, and where more comes from.
struct Space {
	SpaceKind kind = SpaceKind::file;
	std::string where; // a directory, a volume group, a device; "" is the configured directory
};

struct OriginAdd {
	std::string name;
	std::string device; // a path; a plain block device, or a device-mapper device in use
};

struct OriginRemove {
	std::string name;
};

struct Create {
	// One: `create ORIGIN SNAP`. Several: a set, taken at one instant.
	struct Member {
		std::string origin;
		std::string snapshot;
	};
	std::vector<Member> members;
	std::string set; // "" unless it is one
	Size size = Percent{20};
	Space space;
	std::optional<Bytes> chunk; // the default is 4 KiB or the devices' block size
	bool transient = false;
	bool read_only = false;
	OnFull on_full = OnFull::queue;
};

struct Remove {
	std::string snapshot;
};

struct Extend {
	std::string snapshot;
	Size by; // a percentage is of its present size
};

struct Activate {
	std::string snapshot;
};

struct Deactivate {
	std::string snapshot;
};

struct Rename {
	std::string snapshot;
	std::string to;
};

// Starts a merge into the origin, or, where that is in use, wants it as soon as it is not.
// Goes on by itself and survives a reboot.
struct Merge {
	std::string snapshot;
	std::optional<Bytes> rate; // a second; none: as fast as it goes
};

struct MergeControl {
	std::string snapshot;
	// pause: also takes back a merge that is wanted.
	enum class What { pause, resume, rate } what = What::pause;
	Bytes rate; // a second; 0: no limit
};

using Change = std::variant<OriginAdd, OriginRemove, Create, Remove, Extend, Activate, Deactivate,
			    Rename, Merge, MergeControl>;

// ---- what there is ---------------------------------------------------------

enum class Health {
	active,
	inactive,   // known, not in the kernel
	waiting,    // no space: its I/O is held back until it has grown
	overflow,   // readable, not writable
	invalid,    // lost
	merging,
	merge_failed,
	missing,    // in the registry, but its devices are gone
};

struct Usage {
	Bytes allocated; // of the COW device, metadata included
	Bytes total;
	Bytes metadata;
};

struct MergeState {
	Bytes left;
	Bytes at_start; // what was to be merged when it began
	Bytes rate;     // a second, lately
	bool paused = false;
	std::optional<std::chrono::seconds> time_left;
};

struct OriginState {
	std::string name;
	std::string device;      // what it was given as
	std::string device_node; // /dev/mapper/NAME
	std::string major_minor;
	Bytes size;
	bool taken_over = false; // a device-mapper device in use, whose table was swapped
	bool suspended = false;
	std::vector<std::string> snapshots;
};

struct SnapshotState {
	std::string name;
	std::string origin;
	std::string set;
	std::string device_node;
	std::string major_minor;
	Health health = Health::inactive;
	Bytes size; // of the origin that it shows
	Bytes chunk;
	bool transient = false;
	bool read_only = false;
	bool merge_wanted = false; // as soon as the origin is not in use
	OnFull on_full = OnFull::queue;
	Space space;
	std::string cow_device;
	std::optional<Usage> usage;
	std::optional<MergeState> merge;
	std::chrono::system_clock::time_point created;
};

// ---- plans -----------------------------------------------------------------

struct Step {
	std::string text; // "load 0 8192 snapshot-origin 253:3 into vol"
};

class Plan {
public:
	virtual ~Plan() = default;
	[[nodiscard]] virtual const std::vector<Step>& steps() const = 0;
};

struct Outcome {
	bool changed = true; // false: it was so already
	std::string text;    // a sentence for a person
	// Of a set, and of whatever else suspended an origin: how long it stood still.
	std::optional<std::chrono::microseconds> stood_still;
};

// ---- events ----------------------------------------------------------------

enum class EventKind {
	invalid, overflow, low_water, waiting, space_found,
	merge_progress, merge_done, merge_failed, merge_paused,
	created, removed, extended, extend_failed, activated, deactivated,
};

struct Event {
	EventKind kind;
	std::chrono::system_clock::time_point when;
	std::string device; // the snapshot's name
	std::string origin; // that of its origin
	std::string major_minor;
	std::string uuid;
	std::optional<Usage> usage;
	std::optional<Bytes> fill_rate; // a second
	std::string text;
};

// ---- doctor ----------------------------------------------------------------

struct Finding {
	enum class Level { good, hint, problem } level;
	std::string what;
	std::string advice; // "" when there is nothing to do
};

struct ActivationPlan {
	std::vector<Step> steps;
	std::vector<Finding> findings; // what would not come up, and what would be lost
};

// Counters for `metrics`, per snapshot, where the kernel tells them.
struct Counters {
	std::string snapshot;
	std::vector<std::pair<std::string, std::uint64_t>> values; // snake_case names
	std::vector<std::uint64_t> first_write_latency;            // buckets: below 2^i microseconds
};

class Engine {
public:
	virtual ~Engine() = default;

	[[nodiscard]] virtual std::vector<OriginState> origins() = 0;
	[[nodiscard]] virtual std::vector<SnapshotState> snapshots() = 0;
	// The dmsetup lines of an origin or a snapshot and what is under it.
	[[nodiscard]] virtual std::vector<std::string> table(const std::string& name) = 0;
	[[nodiscard]] virtual std::vector<Finding> doctor() = 0;
	[[nodiscard]] virtual std::vector<Counters> counters() = 0;

	// Refuses by throwing; changes nothing.
	[[nodiscard]] virtual std::unique_ptr<Plan> plan(const Change& change) = 0;
	// Runs to the end, or undoes and throws.
	virtual Outcome apply(Plan& plan) = 0;

	// Before local file systems are mounted: brings up what the registry knows and
	// the kernel does not have yet, and goes on with merges. Does what it can; the
	// answer says what came up and what could not.
	[[nodiscard]] virtual std::vector<Finding> activate_all() = 0;
	// What it would do, as far as that can be seen now: what lies on something that is not up yet
	// cannot.
	[[nodiscard]] virtual ActivationPlan plan_activate_all() = 0;

	// Called for everything that happens, from poll() and apply().
	virtual void on_event(std::function<void(const Event&)> listener) = 0;

	// For the event loop: descriptors that become readable, what to call then,
	// and how long it may wait at most before it calls anyway.
	[[nodiscard]] virtual std::vector<int> descriptors() = 0;
	virtual void poll() = 0;
	[[nodiscard]] virtual std::optional<std::chrono::milliseconds> next_poll() = 0;
};

} // namespace snapctl::engine
