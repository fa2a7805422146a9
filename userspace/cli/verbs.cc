// SPDX-License-Identifier: GPL-2.0-or-later
//
// The verbs that are one change: from what was typed to what is wished for.
#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/session.h"
#include "ipc/client.h"
#include "ipc/names.h"

namespace snapctl::cli {

namespace {

// The daemon has another working directory.
std::string absolute(const std::string& path)
{
	return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

engine::Space space_from(const Invocation& given)
{
	constexpr std::array kinds{std::pair{"dir", engine::SpaceKind::file},
				   std::pair{"vg", engine::SpaceKind::volume_group},
				   std::pair{"cow", engine::SpaceKind::device}};
	std::optional<engine::Space> space;
	for (const auto& [option, kind] : kinds) {
		const auto where = given.get(option);
		if (!where)
			continue;
		if (space)
			throw UsageError("--dir, --vg and --cow: only one of them");
		if (where->empty())
			throw UsageError(std::string{"--"} + option + ": it is empty");
		space = {kind, kind == engine::SpaceKind::volume_group ? *where : absolute(*where)};
	}
	return space.value_or(engine::Space{});
}

} // namespace

int run_origin_add(Session& session)
{
	return carry_out(session, engine::OriginAdd{session.operand(0), absolute(session.operand(1))});
}

int run_origin_remove(Session& session)
{
	return carry_out(session, engine::OriginRemove{session.operand(0)});
}

int run_create(Session& session)
{
	const Invocation& given = session.invocation;
	engine::Create create;
	if (const auto set = given.get("set")) {
		if (set->empty())
			throw UsageError("--set: it is empty");
		if (given.has("cow"))
			throw UsageError("--cow: one device cannot serve a set");
		create.set = *set;
		for (const auto& origin : given.operands)
			create.members.push_back({origin, origin + '-' + *set});
	} else {
		if (given.operands.size() < 2)
			throw UsageError("SNAPSHOT is missing");
		if (given.operands.size() > 2)
			throw UsageError("'" + given.operands[2] + "' is one argument too many; several volumes need --set");
		create.members.push_back({given.operands[0], given.operands[1]});
	}
	if (given.has("size") && given.has("cow"))
		throw UsageError("--size: with --cow it is all of that device");
	if (const auto size = given.get("size"))
		create.size = size_from(*size, "--size");
	create.space = space_from(given);
	if (const auto chunk = given.get("chunk"))
		create.chunk = bytes_from(*chunk, "--chunk");
	create.transient = given.has("transient");
	create.read_only = given.has("read-only");
	if (const auto word = given.get("on-full"))
		create.on_full = ipc::named<engine::OnFull>(*word).value();
	std::vector<std::string> origins;
	for (const auto& member : create.members)
		origins.push_back(member.origin);
	return carry_out(session, create, origins);
}

int run_remove(Session& session) { return carry_out(session, engine::Remove{session.operand(0)}); }

int run_extend(Session& session)
{
	return carry_out(session, engine::Extend{session.operand(0), size_from(session.operand(1), "SIZE")});
}

int run_activate(Session& session)
{
	if (session.invocation.has("all")) {
		if (!session.invocation.operands.empty())
			throw UsageError("--all goes with no name");
		return run_activate_all(session);
	}
	if (session.invocation.operands.empty())
		throw UsageError("SNAPSHOT is missing");
	const std::string& name = session.operand(0);
	std::vector<std::string> origins;
	for (const auto& snapshot : session.client().snapshots())
		if (snapshot.name == name)
			origins.push_back(snapshot.origin);
	return carry_out(session, engine::Activate{name}, origins);
}

int run_deactivate(Session& session) { return carry_out(session, engine::Deactivate{session.operand(0)}); }

int run_rename(Session& session)
{
	return carry_out(session, engine::Rename{session.operand(0), session.operand(1)});
}

} // namespace snapctl::cli
