// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every struct of the engine as JSON and back. Pure functions; one description
// of each struct's fields serves both directions.
//
// Quantities are integers whose key ends in the unit: size_bytes, when_us.
// What is not there (std::nullopt) is left out.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "engine/engine.h"

namespace snapctl::ipc {

using Json = nlohmann::json;

// What was read is not what the specification says.
class Malformed : public std::runtime_error {
public:
	using std::runtime_error::runtime_error;
};

// From text that cannot be trusted: bounded in depth, and no byte after the end.
// Throws Malformed.
[[nodiscard]] Json parse_untrusted(std::string_view text);

// Never throws for what a string contains: what is no UTF-8 is replaced.
[[nodiscard]] std::string dump(const Json& json);

// What the service is asked to do: {"kind": "create", ...}. Reading is strict:
// an unknown key, a missing one, a number out of range, a control character in
// a string, each throws Malformed.
[[nodiscard]] Json to_json(const engine::Change& change);
[[nodiscard]] engine::Change change_from_json(const Json& json);

// What it answers. Reading ignores unknown keys, so that an older client
// understands a newer daemon; everything else throws Malformed.
[[nodiscard]] Json to_json(const engine::OriginState& state);
[[nodiscard]] Json to_json(const engine::SnapshotState& state);
[[nodiscard]] Json to_json(const engine::Outcome& outcome);
[[nodiscard]] Json to_json(const engine::Event& event);
[[nodiscard]] Json to_json(const engine::Finding& finding);
[[nodiscard]] Json to_json(const engine::Counters& counters);
[[nodiscard]] Json to_json(const std::vector<engine::Step>& steps);

// For each of the types above.
template <class T>
[[nodiscard]] T from_json(const Json& json);

template <> engine::OriginState from_json(const Json& json);
template <> engine::SnapshotState from_json(const Json& json);
template <> engine::Outcome from_json(const Json& json);
template <> engine::Event from_json(const Json& json);
template <> engine::Finding from_json(const Json& json);
template <> engine::Counters from_json(const Json& json);
template <> std::vector<engine::Step> from_json(const Json& json);

} // namespace snapctl::ipc
