// SPDX-License-Identifier: GPL-2.0-or-later
//
// The engine itself: what there is, how it is watched, and what is done without
// being asked. Plans come from planner.h and are carried out by steps.h.
#include "engine/engine.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <poll.h>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "dm/libdm_mapper.h"
#include "dm/mapper.h"
#include "engine/doctor.h"
#include "engine/host.h"
#include "engine/make.h"
#include "engine/names.h"
#include "engine/planner.h"
#include "engine/policy.h"
#include "engine/registry.h"
#include "engine/steps.h"
#include "genl/events.h"
#include "store/capacity.h"

namespace snapctl::engine {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// After an extension that failed, and after a finish that did.
constexpr seconds patience{10};
// How often a merge is looked at,
constexpr milliseconds glance{1000};
// and usage, when nothing else would tell that it rises.
constexpr milliseconds watch{250};
// How often it is looked at anyway.
constexpr milliseconds round{30000};

class PlanImpl final : public Plan {
public:
	PlanImpl(Change wish, Draft its_draft, std::uint64_t its_generation)
		: change{std::move(wish)}, generation{its_generation}
	{
		set(std::move(its_draft));
	}
	[[nodiscard]] const std::vector<Step>& steps() const override { return texts_; }

	void set(Draft its_draft)
	{
		draft = std::move(its_draft);
		texts_.clear();
		for (const PlannedStep& planned : draft.steps)
			texts_.push_back({planned.text});
	}

	Change change;
	Draft draft;
	std::uint64_t generation;

private:
	std::vector<Step> texts_;
};

// What the engine remembers of a snapshot from one look to the next.
struct Known {
	std::uint32_t event_nr = 0;
	std::optional<Health> health;
	bool waiting = false; // for space, as the kernel said
	bool low = false;     // its low water was told
	std::optional<Bytes> fill_rate;
	std::optional<Bytes> mark; // the low-water mark that the kernel was told
	std::optional<std::chrono::steady_clock::time_point> not_before; // of the next extension
	std::optional<Bytes> seen; // that was allocated at the last look
	// Of a merge.
	std::optional<Bytes> left;
	std::chrono::steady_clock::time_point looked;
	Bytes rate;
};

class EngineImpl final : public Engine {
public:
	EngineImpl(const Config& config, dm::Mapper& mapper, Host& host, genl::EventSource* events)
		: config_{config}, mapper_{mapper}, host_{host}, events_{events}, registry_{open_registry()},
		  planner_{config_, registry_, mapper_, host_}, executor_{registry_, mapper_, host_}
	{
		recovered_ = executor_.recover();
		mapper_.mend_nodes();
		refresh();
		listening_ = events_ != nullptr && events_->refresh();
		mapper_.arm();
		ask_kernel();
	}

	std::vector<OriginState> origins() override
	{
		std::vector<OriginState> states;
		for (const OriginRow& row : origins_) {
			OriginState state;
			state.name = row.name;
			state.device = row.device;
			state.device_node = "/dev/mapper/" + row.dm_name;
			state.size = to_bytes(Sectors{row.sectors});
			state.taken_over = row.taken_over;
			if (const auto info = mapper_.info(DmName{row.dm_name}); info && planner_.is_up(row)) {
				state.major_minor = info->number.str();
				state.suspended = info->suspended;
			}
			for (const SnapshotRow& snapshot : snapshots_)
				if (snapshot.origin == row.name)
					state.snapshots.push_back(snapshot.name);
			states.push_back(std::move(state));
		}
		return states;
	}

	std::vector<SnapshotState> snapshots() override
	{
		forget_what_missed_writes();
		std::vector<SnapshotState> states;
		for (const SnapshotRow& row : snapshots_)
			states.push_back(state_of(row));
		return states;
	}

	std::vector<std::string> table(const std::string& name) override
	{
		std::string head;
		if (const auto row = registry_.origin(name))
			head = row->dm_name;
		else if (const auto snapshot = registry_.snapshot(name))
			head = snapshot->merging ? registry_.origin(snapshot->origin).value_or(OriginRow{}).dm_name : snapshot->name;
		else
			throw Error{Failure::not_found, "table", name, "there is no such origin or snapshot", "`snapctl status` lists both"};
		std::vector<std::string> lines;
		std::set<std::string> seen;
		add_lines(head, lines, seen);
		if (lines.empty())
			throw Error{Failure::refused, "table", name, "it is not active"};
		return lines;
	}

	std::vector<Finding> doctor() override
	{
		listening_ = events_ != nullptr && events_->refresh();
		return examine({config_, registry_, mapper_, host_, planner_.module_is_ours(), listening_, origins(), snapshots(), recovered_});
	}

	std::vector<Counters> counters() override
	{
		std::vector<Counters> all;
		if (events_ == nullptr)
			return all;
		for (const genl::KernelCounters& told : events_->dump()) {
			const SnapshotRow* row = find(told.report);
			if (row == nullptr)
				continue;
			all.push_back({row->name, told.values, told.latency});
		}
		return all;
	}

	std::unique_ptr<Plan> plan(const Change& change) override
	{
		return std::make_unique<PlanImpl>(change, planner_.plan(change), generation_);
	}

	Outcome apply(Plan& plan) override
	{
		auto& mine = dynamic_cast<PlanImpl&>(plan);
		// Something was changed since: the plan may not hold any more.
		if (mine.generation != generation_)
			mine.set(planner_.plan(mine.change));
		mine.generation = generation_;
		return carry_out(mine.draft);
	}

	std::vector<Finding> activate_all() override
	{
		std::vector<Finding> findings;
		for (const OriginRow& row : registry_.origins()) {
			try {
				if (row.taken_over && !mapper_.info(DmName{row.dm_name}))
					host_.activate_mapped_volume(row.dm_name);
				Draft draft = planner_.activate(row, findings);
				const Outcome outcome = carry_out(draft);
				findings.push_back({Finding::Level::good, outcome.text, ""});
				begin_wanted_merges();
			} catch (const Error& error) {
				findings.push_back(stays_inactive(row, error));
			}
		}
		return findings;
	}

	ActivationPlan plan_activate_all() override
	{
		ActivationPlan plan;
		for (const OriginRow& row : registry_.origins()) {
			if (row.taken_over && !mapper_.info(DmName{row.dm_name})) {
				plan.steps.push_back({"activate the volume " + row.dm_name});
				plan.findings.push_back({Finding::Level::hint, "what follows for the origin " + row.name + " can be seen only then", ""});
				continue;
			}
			try {
				const Draft draft = planner_.activate(row, plan.findings);
				for (const PlannedStep& planned : draft.steps)
					plan.steps.push_back({planned.text});
			} catch (const Error& error) {
				plan.findings.push_back(stays_inactive(row, error));
			}
		}
		return plan;
	}

	void on_event(std::function<void(const Event&)> listener) override { listeners_.push_back(std::move(listener)); }

	std::vector<int> descriptors() override
	{
		std::vector<int> all{mapper_.poll_fd()};
		if (events_ != nullptr)
			all.push_back(events_->fd());
		return all;
	}

	void poll() override
	{
		bool lost = false;
		if (events_ != nullptr) {
			genl::EventSource::Batch batch = events_->read();
			for (const genl::KernelEvent& event : batch.events)
				take(event);
			lost = batch.lost;
		}
		// First arm, then look: what happens in between is seen or makes it readable again.
		mapper_.arm();
		const auto now = host_.clock();
		const bool due = now >= due_ || lost;
		if (due) {
			due_ = now + interval();
			if (events_ != nullptr)
				listening_ = events_->refresh();
			if (lost)
				ask_kernel();
			if (unfinished_)
				finish_journal();
			forget_what_missed_writes();
		}
		begin_wanted_merges();
		// Looking may finish a merge, which changes the list.
		const std::vector<SnapshotRow> rows = snapshots_;
		for (const SnapshotRow& row : rows) {
			const auto info = mapper_.info(DmName{device_of(row)});
			Known& known = known_[row.name];
			if (!info || (!due && info->event_nr == known.event_nr))
				continue;
			known.event_nr = info->event_nr;
			look(row);
		}
	}

	std::optional<milliseconds> next_poll() override
	{
		const auto left = std::chrono::duration_cast<milliseconds>(due_ - host_.clock());
		return std::clamp(left, milliseconds{0}, interval());
	}

private:
	Registry open_registry()
	{
		// Before a disk is touched, which might be the one that stands still.
		Executor::thaw(mapper_);
		if (config_.state_directory == ":memory:")
			return Registry{":memory:"};
		check_state_is_mounted(config_);
		host_.make_directory(config_.state_directory);
		return Registry{config_.state_directory + "/registry.db"};
	}

	[[nodiscard]] static Finding stays_inactive(const OriginRow& row, const Error& error)
	{
		return {Finding::Level::problem, "the origin " + row.name + " stays inactive: " + error.what(), error.advice()};
	}

	void refresh()
	{
		origins_ = registry_.origins();
		snapshots_ = registry_.snapshots();
		std::erase_if(known_, [this](const auto& entry) {
			return std::none_of(snapshots_.begin(), snapshots_.end(), [&](const SnapshotRow& row) { return row.name == entry.first; });
		});
		due_ = {};
	}

	Outcome carry_out(Draft& draft)
	{
		generation_++;
		if (draft.steps.empty())
			return draft.outcome;
		Journal journal;
		journal.what = draft.what;
		journal.commit = draft.commit;
		for (const PlannedStep& planned : draft.steps)
			journal.steps.push_back(planned.step);
		// Names of what goes are gone afterwards.
		std::vector<Event> events;
		for (const auto& [kind, device] : draft.events)
			events.push_back(event_of(kind, device));
		try {
			draft.outcome.stood_still = executor_.run(std::move(journal));
		} catch (const std::exception&) {
			unfinished_ = !registry_.open_journals().empty();
			refresh();
			throw;
		}
		refresh();
		for (Event& event : events) {
			// And those of what comes are there only now.
			if (event.major_minor.empty())
				if (Event after = event_of(event.kind, event.device); !after.origin.empty())
					event = std::move(after);
			event.text = draft.outcome.text;
			tell(event);
		}
		return draft.outcome;
	}

	void finish_journal()
	{
		for (const std::string& line : executor_.recover())
			recovered_.push_back(line);
		unfinished_ = !registry_.open_journals().empty();
		generation_++;
		refresh();
	}

	// ---- states -----------------------------------------------------------------

	[[nodiscard]] const OriginRow* origin_of(const SnapshotRow& row) const
	{
		const auto found = std::find_if(origins_.begin(), origins_.end(), [&](const OriginRow& origin) { return origin.name == row.origin; });
		return found == origins_.end() ? nullptr : &*found;
	}

	// The device whose status is the snapshot's.
	[[nodiscard]] std::string device_of(const SnapshotRow& row) const
	{
		const OriginRow* origin = origin_of(row);
		return row.merging && origin != nullptr ? origin->dm_name : row.name;
	}

	// None: it is not in the kernel.
	[[nodiscard]] std::optional<dm::SnapshotStatus> status_of(const SnapshotRow& row)
	{
		const DmName name{device_of(row)};
		const auto info = mapper_.info(name);
		if (!info || !info->live_table || (!row.merging && info->uuid != snapshot_uuid(row.id)))
			return std::nullopt;
		const auto lines = mapper_.status(name);
		if (lines.size() != 1 || !lines[0].type.starts_with("snapshot") || lines[0].type == "snapshot-origin")
			return std::nullopt;
		return dm::parse_snapshot_status(lines[0].text);
	}

	[[nodiscard]] static Usage usage_of(const dm::UsageStatus& status)
	{
		return {to_bytes(status.allocated), to_bytes(status.total), to_bytes(status.metadata)};
	}

	[[nodiscard]] Health health_of(const SnapshotRow& row, const std::optional<dm::SnapshotStatus>& status)
	{
		if (row.stale)
			return Health::invalid;
		if (!status) {
			if (row.transient)
				return Health::invalid;
			try {
				(void)planner_.space_size(row);
			} catch (const Error&) {
				return Health::missing;
			}
			return Health::inactive;
		}
		if (const auto* word = std::get_if<dm::StatusWord>(&*status)) {
			switch (*word) {
			case dm::StatusWord::invalid: return row.merging ? Health::merge_failed : Health::invalid;
			case dm::StatusWord::merge_failed: return Health::merge_failed;
			case dm::StatusWord::overflow: return row.merging ? Health::merging : Health::overflow;
			case dm::StatusWord::unknown: return Health::inactive;
			}
		}
		if (row.merging)
			return Health::merging;
		const auto known = known_.find(row.name);
		return known != known_.end() && known->second.waiting ? Health::waiting : Health::active;
	}

	[[nodiscard]] SnapshotState state_of(const SnapshotRow& row)
	{
		SnapshotState state;
		state.name = row.name;
		state.origin = row.origin;
		state.set = row.set;
		state.device_node = row.merging ? "" : "/dev/mapper/" + row.name;
		state.chunk = to_bytes(Sectors{row.chunk_sectors});
		state.transient = row.transient;
		state.read_only = row.read_only;
		state.merge_wanted = row.merge_wanted;
		state.on_full = row.on_full;
		state.space = {row.kind, row.where};
		state.cow_device = planner_.cow_device(row);
		if (state.cow_device.empty())
			state.cow_device = row.cow;
		state.created = std::chrono::system_clock::time_point{std::chrono::microseconds{row.created_us}};
		if (const OriginRow* origin = origin_of(row))
			state.size = to_bytes(Sectors{origin->sectors});
		if (const auto info = mapper_.info(DmName{device_of(row)}))
			state.major_minor = info->number.str();
		const auto status = status_of(row);
		state.health = health_of(row, status);
		if (const auto* usage = status ? std::get_if<dm::UsageStatus>(&*status) : nullptr)
			state.usage = usage_of(*usage);
		if (row.merging) {
			MergeState merge;
			merge.at_start = Bytes{row.merge_bytes};
			merge.paused = row.merge_paused;
			if (state.usage)
				merge.left = state.usage->allocated - std::min(state.usage->allocated, state.usage->metadata);
			const auto known = known_.find(row.name);
			if (known != known_.end())
				merge.rate = known->second.rate;
			if (merge.rate.count > 0 && !merge.paused)
				merge.time_left = seconds{merge.left.count / merge.rate.count};
			state.merge = merge;
		}
		return state;
	}

	void add_lines(const std::string& name, std::vector<std::string>& lines, std::set<std::string>& seen)
	{
		if (name.empty() || !seen.insert(name).second || !mapper_.info(DmName{name}))
			return;
		const dm::Table table = mapper_.table(DmName{name});
		std::string text = without_keys(table);
		while (!text.empty()) {
			const auto end = text.find('\n');
			lines.push_back(name + ": " + text.substr(0, end));
			text.erase(0, end + 1);
		}
		for (const dm::Target& target : table)
			for (const std::string& word : split_words(dm::params_of(target)))
				if (const auto number = dm::parse_device_number(word))
					if (const auto below = mapper_.name_of(*number))
						add_lines(*below, lines, seen);
	}

	// ---- events -----------------------------------------------------------------

	[[nodiscard]] Event event_of(EventKind kind, const std::string& device)
	{
		Event event;
		event.kind = kind;
		event.when = host_.now();
		event.device = device;
		const auto row = std::find_if(snapshots_.begin(), snapshots_.end(), [&](const SnapshotRow& its) { return its.name == device; });
		if (row == snapshots_.end())
			return event;
		event.origin = row->origin;
		event.uuid = snapshot_uuid(row->id).str();
		if (const auto info = mapper_.info(DmName{device_of(*row)}))
			event.major_minor = info->number.str();
		const auto status = status_of(*row);
		if (const auto* usage = status ? std::get_if<dm::UsageStatus>(&*status) : nullptr)
			event.usage = usage_of(*usage);
		const Known& known = known_[device];
		event.fill_rate = known.fill_rate;
		return event;
	}

	void tell(const Event& event)
	{
		for (const auto& listener : listeners_)
			listener(event);
	}

	void tell(EventKind kind, const SnapshotRow& row, std::string text)
	{
		Event event = event_of(kind, row.name);
		event.text = std::move(text);
		tell(event);
	}

	[[nodiscard]] const SnapshotRow* find(const genl::Report& report) const
	{
		for (const SnapshotRow& row : snapshots_)
			if (row.merging ? report.flags.merge && device_of(row) == report.name : snapshot_uuid(row.id).str() == report.uuid)
				return &row;
		return nullptr;
	}

	// What the flags of all tables say, after events may have been missed.
	void ask_kernel()
	{
		if (!listening_)
			return;
		for (const genl::KernelCounters& told : events_->dump())
			if (const SnapshotRow* row = find(told.report)) {
				Known& known = known_[row->name];
				known.waiting = told.report.flags.no_space;
				known.fill_rate = told.report.fill_rate;
			}
	}

	void take(const genl::KernelEvent& event)
	{
		const SnapshotRow* found = find(event.report);
		if (found == nullptr)
			return;
		const SnapshotRow row = *found;
		Known& known = known_[row.name];
		known.fill_rate = event.report.fill_rate;
		const auto told = [&](EventKind kind, std::string text) {
			Event its = event_of(kind, row.name);
			its.usage = Usage{to_bytes(event.report.allocated), to_bytes(event.report.total), to_bytes(event.report.metadata)};
			its.fill_rate = event.report.fill_rate;
			its.text = std::move(text);
			tell(its);
		};
		switch (event.kind) {
		case genl::Kind::low_water:
			// The space first: whoever listens can wait.
			extend_if_needed(row, to_bytes(event.report.allocated), to_bytes(event.report.total));
			known.low = true;
			told(EventKind::low_water, row.name + " is " + format_percent(percent_of(to_bytes(event.report.allocated), to_bytes(event.report.total))) + " full");
			break;
		case genl::Kind::no_space:
			known.waiting = true;
			extend_if_needed(row, to_bytes(event.report.total), to_bytes(event.report.total));
			told(EventKind::waiting, row.name + " is full; its I/O waits for space");
			break;
		case genl::Kind::space_found:
			known.waiting = false;
			told(EventKind::space_found, row.name + " has space again; what waited goes on");
			break;
		case genl::Kind::merge_progress:
			look(row);
			break;
		case genl::Kind::merge_paused: told(EventKind::merge_paused, "the merge of " + row.name + " is paused"); break;
		case genl::Kind::merge_resumed: told(EventKind::merge_progress, "the merge of " + row.name + " goes on"); break;
		case genl::Kind::invalid:
		case genl::Kind::overflow:
		case genl::Kind::merge_done:
		case genl::Kind::merge_failed: look(row); break;
		}
	}

	// Somebody else gave an origin another table, as LVM2 does with a volume of its own: what is written
	// there from then on is lost to all its snapshots, which a reboot must not bring back as good.
	void forget_what_missed_writes()
	{
		std::vector<SnapshotRow> missed;
		for (const OriginRow& origin : origins_)
			if (planner_.is_passed_by(origin))
				std::copy_if(snapshots_.begin(), snapshots_.end(), std::back_inserter(missed), [&](const SnapshotRow& row) {
					return row.origin == origin.name && !row.stale && !row.merging;
				});
		// What is half done, here or by a daemon that was killed, looks like that as well.
		if (missed.empty() || !registry_.open_journals().empty())
			return;
		try {
			for (SnapshotRow& row : missed) {
				row.stale = true;
				registry_.put(row);
			}
		} catch (const Error&) {
			return; // the others are looked after all the same; the next look tries again
		}
		generation_++;
		refresh();
		for (const SnapshotRow& row : missed) {
			known_[row.name].health = Health::invalid;
			tell(EventKind::invalid, row, row.name + " is lost: somebody else gave its origin " + row.origin + " another table, and what is written there is not kept");
		}
	}

	// One look at a snapshot's status; tells what has changed since the last, and acts.
	void look(const SnapshotRow& row)
	{
		const auto status = status_of(row);
		Known& known = known_[row.name];
		const Health health = health_of(row, status);
		const bool changed = known.health && *known.health != health;
		known.health = health;
		if (changed && health == Health::invalid)
			tell(EventKind::invalid, row, row.name + " is lost");
		if (changed && health == Health::overflow)
			tell(EventKind::overflow, row, row.name + " is full: it can be read, but not written");
		if (changed && health == Health::merge_failed)
			tell(EventKind::merge_failed, row, "the merge of " + row.name + " failed");
		if (!status)
			return;
		const auto* usage = std::get_if<dm::UsageStatus>(&*status);
		if (row.merging) {
			if (usage != nullptr)
				look_at_merge(row, usage_of(*usage));
			return;
		}
		if (health == Health::overflow && policy_for(config_, row.kind).on && may_extend(row)) {
			revive(row);
			return;
		}
		if (usage == nullptr)
			return;
		const Bytes allocated = to_bytes(usage->allocated), total = to_bytes(usage->total);
		if (!listening_)
			measure(known, allocated);
		extend_if_needed(row, allocated, total);
		const ExtendPolicy policy = policy_for(config_, row.kind);
		const bool low = policy.threshold < Percent{100} && percent_of(allocated, total) >= policy.threshold;
		if (low && !known.low && !listening_)
			tell(EventKind::low_water, row, row.name + " is " + format_percent(percent_of(allocated, total)) + " full");
		known.low = low;
		tell_kernel_the_mark(row, total);
	}

	// The fill rate, where the kernel does not tell it.
	void measure(Known& known, Bytes allocated)
	{
		const auto now = host_.clock();
		if (known.seen) {
			const auto took = std::chrono::duration_cast<milliseconds>(now - known.looked).count();
			if (took < 50)
				return;
			const std::uint64_t more = allocated.count > known.seen->count ? allocated.count - known.seen->count : 0;
			known.fill_rate = Bytes{more / static_cast<std::uint64_t>(took) * 1000};
		}
		known.seen = allocated;
		known.looked = now;
	}

	// After a start the configuration, and the size, may be others.
	void tell_kernel_the_mark(const SnapshotRow& row, Bytes total)
	{
		Known& known = known_[row.name];
		const Bytes mark = low_water_mark(policy_for(config_, row.kind), total);
		if (known.mark == mark || !planner_.module_is_ours())
			return;
		known.mark = mark;
		executor_.run_unjournaled({step::hint(row.name, "low_water_mark " + std::to_string(mark.count / 512))});
	}

	// ---- what is done without being asked ---------------------------------------------

	[[nodiscard]] bool may_extend(const SnapshotRow& row)
	{
		const Known& known = known_[row.name];
		return !known.not_before || host_.clock() >= *known.not_before;
	}

	void extend_if_needed(const SnapshotRow& row, Bytes allocated, Bytes total)
	{
		const OriginRow* origin = origin_of(row);
		const ExtendPolicy policy = policy_for(config_, row.kind);
		if (origin == nullptr || !policy.on ||
		    percent_of(allocated, total) < policy.threshold || !may_extend(row))
			return;
		Known& known = known_[row.name];
		try {
			// An extension may be on its way already.
			const SpaceNow now = space_now(row, allocated, std::max(total, planner_.space_size(row)));
			const auto size = next_size(policy, now);
			if (!size) {
				// A daemon that was killed in between left a file that its loop device does not know whole.
				if (now.total > total)
					executor_.run_unjournaled(planner_.grow(row, now.total));
				return;
			}
			executor_.run_unjournaled(planner_.grow(row, *size));
			generation_++;
			known.not_before.reset();
			known.low = false;
			known.mark = low_water_mark(policy, *size);
			tell(EventKind::extended, row, row.name + " has " + format_bytes_rounded(*size) + " now, after " + format_bytes_rounded(now.total));
		} catch (const Error& error) {
			known.not_before = host_.clock() + patience;
			// The kernel does not say again that it is full.
			due_ = std::min(due_, *known.not_before);
			tell(EventKind::extend_failed, row, error.what());
		}
	}

	// It overflowed before it could be extended: more space and a new table make it writable again.
	void revive(const SnapshotRow& row)
	{
		Known& known = known_[row.name];
		known.not_before = host_.clock() + patience;
		due_ = std::min(due_, *known.not_before);
		try {
			const Bytes total = planner_.space_size(row);
			const auto size = next_size(policy_for(config_, row.kind), space_now(row, total, total));
			if (!size)
				return; // it has all that it may have
			Draft draft = planner_.plan(Extend{row.name, *size - total});
			(void)carry_out(draft);
		} catch (const Error& error) {
			tell(EventKind::extend_failed, row, error.what());
		}
	}

	[[nodiscard]] SpaceNow space_now(const SnapshotRow& row, Bytes allocated, Bytes total)
	{
		SpaceNow now;
		now.allocated = allocated;
		now.total = total;
		now.origin = to_bytes(Sectors{origin_of(row)->sectors});
		now.worst_case = store::worst_case(now.origin, to_bytes(Sectors{row.chunk_sectors}));
		std::tie(now.unit, now.room) = planner_.space_source(row);
		now.fill_rate = known_[row.name].fill_rate;
		return now;
	}

	// Those that were asked for while the origin was in use.
	void begin_wanted_merges()
	{
		// Beginning one changes the list.
		std::vector<SnapshotRow> wanted;
		std::copy_if(snapshots_.begin(), snapshots_.end(), std::back_inserter(wanted), [](const SnapshotRow& row) { return row.merge_wanted; });
		for (const SnapshotRow& row : wanted) {
			const OriginRow* origin = origin_of(row);
			const auto head = origin != nullptr ? mapper_.info(DmName{origin->dm_name}) : std::nullopt;
			if (!head || head->open_count > 0 || !planner_.is_up(*origin))
				continue;
			try {
				Draft draft = planner_.plan(Merge{row.name, std::nullopt});
				(void)carry_out(draft);
			} catch (const Error& error) {
				// It makes no sense any more, or did not work: whoever wants it asks again.
				tell(EventKind::merge_failed, row, error.what());
				if (auto now = registry_.snapshot(row.name); now && now->merge_wanted) {
					now->merge_wanted = false;
					registry_.put(*now);
					refresh();
				}
			}
		}
	}

	void look_at_merge(const SnapshotRow& row, const Usage& usage)
	{
		Known& known = known_[row.name];
		const Bytes left = usage.allocated - std::min(usage.allocated, usage.metadata);
		if (left.count == 0) {
			if (!may_extend(row))
				return;
			try {
				Draft draft = planner_.finish_merge(row);
				(void)carry_out(draft);
			} catch (const Error& error) {
				known_[row.name].not_before = host_.clock() + patience;
				tell(EventKind::merge_failed, row, error.what());
			}
			return;
		}
		const auto now = host_.clock();
		if (known.left) {
			const auto took = std::chrono::duration_cast<milliseconds>(now - known.looked);
			if (took < milliseconds{500})
				return;
			const std::uint64_t merged = known.left->count > left.count ? known.left->count - left.count : 0;
			const Bytes lately{merged * 1000 / static_cast<std::uint64_t>(took.count())};
			// Smoothed: half of it is the past.
			known.rate = Bytes{known.rate.count == 0 ? lately.count : (known.rate.count + lately.count) / 2};
		}
		known.left = left;
		known.looked = now;
		const std::uint64_t start = std::max(row.merge_bytes, left.count);
		tell(EventKind::merge_progress, row, row.name + ": " + format_percent(percent_of(Bytes{start - left.count}, Bytes{start})) + " merged");
	}

	[[nodiscard]] milliseconds interval()
	{
		for (const SnapshotRow& row : snapshots_)
			if (!listening_ && row.active && !row.stale && !row.merging && policy_for(config_, row.kind).on)
				return watch;
		for (const SnapshotRow& row : snapshots_) {
			if (row.merging || row.merge_wanted)
				return glance;
		}
		return unfinished_ ? milliseconds{patience} : round;
	}

	const Config config_;
	dm::Mapper& mapper_;
	Host& host_;
	genl::EventSource* events_;
	Registry registry_;
	Planner planner_;
	Executor executor_;
	std::vector<std::string> recovered_;
	std::vector<OriginRow> origins_;
	std::vector<SnapshotRow> snapshots_;
	std::map<std::string, Known> known_;
	std::vector<std::function<void(const Event&)>> listeners_;
	std::uint64_t generation_ = 0;
	std::chrono::steady_clock::time_point due_{};
	bool listening_ = false;
	bool unfinished_ = false;
};

// The engine with the parts that it works on.
struct SystemParts {
	std::unique_ptr<dm::Mapper> mapper = dm::make_libdm_mapper();
	std::unique_ptr<Host> host = make_system_host();
	std::unique_ptr<genl::EventSource> events = genl::make_netlink_source();
};

class SystemEngine final : public Engine {
public:
	explicit SystemEngine(const Config& config) : engine_{config, *parts_.mapper, *parts_.host, parts_.events.get()} {}

	std::vector<OriginState> origins() override { return engine_.origins(); }
	std::vector<SnapshotState> snapshots() override { return engine_.snapshots(); }
	std::vector<std::string> table(const std::string& name) override { return engine_.table(name); }
	std::vector<Finding> doctor() override { return engine_.doctor(); }
	std::vector<Counters> counters() override { return engine_.counters(); }
	std::unique_ptr<Plan> plan(const Change& change) override { return engine_.plan(change); }
	Outcome apply(Plan& plan) override { return engine_.apply(plan); }
	std::vector<Finding> activate_all() override { return engine_.activate_all(); }
	ActivationPlan plan_activate_all() override { return engine_.plan_activate_all(); }
	void on_event(std::function<void(const Event&)> listener) override { engine_.on_event(std::move(listener)); }
	std::vector<int> descriptors() override { return engine_.descriptors(); }
	void poll() override { engine_.poll(); }
	std::optional<milliseconds> next_poll() override { return engine_.next_poll(); }

private:
	SystemParts parts_;
	EngineImpl engine_;
};

} // namespace

std::unique_ptr<Engine> make_engine(const Config& config, dm::Mapper& mapper, Host& host, genl::EventSource* events)
{
	return std::make_unique<EngineImpl>(config, mapper, host, events);
}

std::unique_ptr<Engine> make_system_engine(const Config& config) { return std::make_unique<SystemEngine>(config); }

} // namespace snapctl::engine
