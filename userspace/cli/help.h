// SPDX-License-Identifier: GPL-2.0-or-later
//
// Texts made from the registry.
#pragma once

#include <string>

#include "cli/verb.h"

namespace snapctl::cli {

[[nodiscard]] std::string synopsis(const Verb& verb);
[[nodiscard]] std::string help_of_all();
[[nodiscard]] std::string help_of(const Verb& verb);
// NAME, SYNOPSIS, ARGUMENTS and OPTIONS; what is written by hand follows.
[[nodiscard]] std::string man_page_head(const Verb& verb);
[[nodiscard]] std::string man_page_head_of_all();
[[nodiscard]] std::string completion_for_bash();
[[nodiscard]] std::string completion_for_zsh();

} // namespace snapctl::cli
