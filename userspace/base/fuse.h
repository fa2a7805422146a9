// SPDX-License-Identifier: GPL-2.0-or-later
//
// What makes simulated devices fail, or a simulated daemon die, at the n-th
// change that it makes. Used by the simulated twins and their tests only.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"

namespace snapctl {

// Deliberately no std::exception: nobody who handles errors may catch it, as
// nobody handles SIGKILL. From then on every change throws it, also those that
// destructors try.
struct Killed {};

class Fuse {
public:
	static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

	std::size_t fail_at = never;     // this change does not happen and throws Error
	std::size_t kill_before = never; // the daemon dies before this change,
	std::size_t kill_after = never;  // or right after it
	bool dead = false;
	std::size_t count = 0;           // of changes so far
	std::vector<std::string> log;    // what they were

	void reset() { *this = Fuse{}; }

	// Runs one change.
	template <class Change>
	auto burn(const std::string& what, Change change) -> decltype(change())
	{
		if (dead)
			throw Killed{};
		const std::size_t mine = count++;
		log.push_back(what);
		if (mine == kill_before) {
			dead = true;
			throw Killed{};
		}
		if (mine == fail_at)
			throw Error{Failure::failed, "simulated", what, "it was told to fail"};
		if constexpr (std::is_void_v<decltype(change())>) {
			change();
			after(mine);
		} else {
			auto result = change();
			after(mine);
			return result;
		}
	}

private:
	void after(std::size_t mine)
	{
		if (mine != kill_after)
			return;
		dead = true;
		throw Killed{};
	}
};

} // namespace snapctl
