// SPDX-License-Identifier: GPL-2.0-or-later
//
// The verb merge: starts a merge, or takes up one that runs, and shows how far
// it is until it ends.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include "cli/output.h"
#include "cli/progress.h"
#include "cli/rows.h"
#include "cli/session.h"
#include "ipc/client.h"

namespace snapctl::cli {

namespace {

using engine::EventKind;
using engine::Health;
using engine::MergeControl;
using engine::SnapshotState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

volatile std::sig_atomic_t interrupted = 0;

// ^C must not end us before we have said that the merge goes on.
class CatchInterrupt {
public:
	CatchInterrupt()
	{
		struct sigaction action{};
		action.sa_handler = [](int) { interrupted = 1; };
		sigaction(SIGINT, &action, &before_); // without SA_RESTART: waits are cut short
	}
	~CatchInterrupt() { sigaction(SIGINT, &before_, nullptr); }
	CatchInterrupt(const CatchInterrupt&) = delete;
	CatchInterrupt& operator=(const CatchInterrupt&) = delete;

private:
	struct sigaction before_{};
};

// Where progress goes: one line that changes on a terminal, a line now and
// then elsewhere. It is no result, so it goes to stderr.
class Progress {
public:
	explicit Progress(Terminal& terminal) : terminal_{terminal} {}
	~Progress() { clear(); }
	Progress(const Progress&) = delete;
	Progress& operator=(const Progress&) = delete;

	void show(const std::string& name, const engine::MergeState& merge)
	{
		if (terminal_.err_is_terminal) {
			terminal_.err << '\r' << progress_bar(name, merge, terminal_.width - 1) << "\x1b[K" << std::flush;
			drawn_ = true;
			return;
		}
		const auto now = steady_clock::now();
		if (now < next_)
			return;
		next_ = now + seconds{10};
		terminal_.err << progress_line(name, merge) << std::endl;
	}
	void clear()
	{
		if (drawn_)
			terminal_.err << "\r\x1b[K" << std::flush;
		drawn_ = false;
	}

private:
	Terminal& terminal_;
	bool drawn_ = false;
	steady_clock::time_point next_{};
};

// It is gone: into its origin, unless somebody renamed it.
std::optional<std::string> renamed(Session& session, const std::string& origin)
{
	for (const auto& snapshot : session.client().snapshots())
		if (snapshot.origin == origin && (snapshot.merge || snapshot.merge_wanted))
			return snapshot.name;
	return std::nullopt;
}

// Whether the origin has come through a merge whole, and not been left behind half merged.
bool is_whole(Session& session, const std::string& origin)
{
	for (const auto& state : session.client().origins())
		if (state.name == origin)
			return !state.major_minor.empty();
	return true;
}

std::optional<SnapshotState> find_snapshot(Session& session, const std::string& name)
{
	for (auto& snapshot : session.client().snapshots())
		if (snapshot.name == name)
			return std::move(snapshot);
	return std::nullopt;
}

int print_end(Session& session, const std::string& name, bool merged)
{
	const std::string text = merged ? "merged " + name : "the merge of " + name + " failed: see the kernel's log";
	if (session.json()) {
		auto json = json_document();
		json["merge"] = {{"snapshot", name}, {"done", merged}};
		print_json(session.terminal.out, json);
	} else if (merged) {
		session.terminal.out << text << '\n';
	}
	if (!merged)
		session.terminal.err << "snapctl: " << text << '\n';
	return merged ? done : failed;
}

// The merge goes on without us, and with it ^C does what it does: a script that
// waits for the merge must not think that it is done.
[[noreturn]] void leave(Session& session, const std::string& name)
{
	session.terminal.err << "\nThe merge of " << name << " goes on. `snapctl merge " << name
			     << "` shows how far it is, with --pause it stops.\n"
			     << std::flush;
	std::signal(SIGINT, SIG_DFL);
	std::raise(SIGINT);
	std::_Exit(128 + SIGINT);
}

// Follows a merge to its end. A daemon that is restarted meanwhile is given time.
int follow(Session& session, std::string name, std::string origin, ipc::Client& events)
{
	const CatchInterrupt guard;
	bool waiting_said = false;
	Progress progress{session.terminal};
	bool paused_said = false;
	auto heard = steady_clock::now(); // from the daemon
	bool lost = false;
	for (;;) {
		try {
			if (interrupted) {
				progress.clear();
				leave(session, name);
			}
			const auto state = find_snapshot(session, name);
			heard = steady_clock::now();
			lost = false;
			if (state)
				origin = state->origin;
			if (!state) {
				if (const auto other = renamed(session, origin)) {
					name = *other;
					continue;
				}
				progress.clear();
				return print_end(session, name, is_whole(session, origin));
			}
			if (state->health == Health::merge_failed) {
				progress.clear();
				return print_end(session, name, false);
			}
			if (state->merge_wanted) {
				if (!waiting_said)
					session.terminal.err << origin << " is in use: the merge begins when it is not. Unmount it, or restart the machine; "
							     << "`snapctl merge --pause " << name << "` takes the wish back.\n" << std::flush;
				waiting_said = true;
			} else if (state->merge) {
				progress.show(name, *state->merge);
				if (state->merge->paused && !paused_said) {
					progress.clear();
					session.terminal.err << "The merge is paused; `snapctl merge --resume " << name
							     << "` goes on with it.\n"
							     << std::flush;
				}
				paused_said = state->merge->paused;
			} else if (state->health != Health::merging) {
				progress.clear();
				session.terminal.err << "snapctl: " << name << " is no longer being merged\n";
				return failed;
			}
			// An event wakes us early; without one, half a second.
			if (const auto event = events.next_event(milliseconds{500}); event && event->device == name) {
				if (event->kind == EventKind::merge_done || event->kind == EventKind::merge_failed) {
					progress.clear();
					return print_end(session, name, event->kind == EventKind::merge_done);
				}
			}
		} catch (const ipc::Unreachable&) {
			if (!lost) {
				progress.clear();
				session.terminal.err << "The daemon is gone; the kernel goes on merging. Waiting for it.\n"
						     << std::flush;
				lost = true;
			}
			if (steady_clock::now() - heard > seconds{30})
				throw;
			// Nothing tells that a socket is listened at again.
			std::this_thread::sleep_for(milliseconds{200});
			try {
				events = session.another_client();
				events.watch();
			} catch (const ipc::Unreachable&) {
				continue;
			}
		}
	}
}

} // namespace

int run_merge(Session& session)
{
	const Invocation& given = session.invocation;
	const std::string& name = session.operand(0);
	if (given.has("pause") + given.has("resume") + given.has("background") > 1)
		throw UsageError("--pause, --resume and --background: only one of them");
	std::optional<Bytes> rate;
	if (const auto text = given.get("rate"))
		rate = bytes_from(*text, "--rate");
	if (given.has("pause") || given.has("resume")) {
		if (rate)
			throw UsageError("--rate goes with neither --pause nor --resume");
		const auto what = given.has("pause") ? MergeControl::What::pause : MergeControl::What::resume;
		return carry_out(session, MergeControl{name, what, Bytes{}});
	}

	const auto before = find_snapshot(session, name);
	const bool running = before && before->health == Health::merging;
	// Of one that runs, only the rate can be changed.
	if (running && rate) {
		const engine::Change change = MergeControl{name, MergeControl::What::rate, *rate};
		if (session.dry_run() || given.has("background"))
			return carry_out(session, change);
		session.client().apply(change);
	}
	const engine::Change change = engine::Merge{name, rate && rate->count ? rate : std::nullopt};
	if (session.dry_run() || given.has("background"))
		return carry_out(session, change);

	// Before it starts, so that its end is not missed.
	ipc::Client events = session.another_client();
	events.watch();
	if (!running) {
		const auto outcome = session.client().apply(change);
		if (!session.json())
			session.terminal.err << outcome.text << '\n' << std::flush;
	}
	return follow(session, name, before ? before->origin : "", events);
}

} // namespace snapctl::cli
