// SPDX-License-Identifier: GPL-2.0-or-later
//
// The words for the engine's enums: the same in requests, in JSON output, in
// options of the command line and in text.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "engine/engine.h"

namespace snapctl::ipc {

template <class E>
using NameTable = std::span<const std::pair<E, std::string_view>>;

[[nodiscard]] NameTable<engine::SpaceKind> names_of(engine::SpaceKind);
[[nodiscard]] NameTable<engine::OnFull> names_of(engine::OnFull);
[[nodiscard]] NameTable<engine::Health> names_of(engine::Health);
[[nodiscard]] NameTable<engine::EventKind> names_of(engine::EventKind);
[[nodiscard]] NameTable<engine::Finding::Level> names_of(engine::Finding::Level);
[[nodiscard]] NameTable<engine::MergeControl::What> names_of(engine::MergeControl::What);

template <class E>
[[nodiscard]] std::string_view name_of(E value)
{
	for (const auto& [each, name] : names_of(E{}))
		if (each == value)
			return name;
	return "unknown";
}

template <class E>
[[nodiscard]] std::optional<E> named(std::string_view word)
{
	for (const auto& [each, name] : names_of(E{}))
		if (name == word)
			return each;
	return std::nullopt;
}

} // namespace snapctl::ipc
