// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/names.h"

#include <algorithm>

#include "base/error.h"

namespace snapctl {

namespace {

bool is_plain(char c) noexcept
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       std::string_view{"#+-.:=@_"}.find(c) != std::string_view::npos;
}

} // namespace

bool is_dm_text(std::string_view text) noexcept
{
	return std::all_of(text.begin(), text.end(), is_plain);
}

DmName::DmName(std::string_view text) : text_{text}
{
	if (text.empty())
		throw Error{Failure::malformed, "device name", "", "it is empty"};
	if (text.size() > dm_name_max)
		throw Error{Failure::malformed, "device name", text, "it has more than 127 characters"};
	if (text == "." || text == "..")
		throw Error{Failure::malformed, "device name", text, "it is a folder's"};
	if (!is_dm_text(text))
		throw Error{Failure::malformed, "device name", text,
			    "only letters, digits and # + - . : = @ _ are possible"};
}

DmUuid::DmUuid(std::string_view text) : text_{text}
{
	if (text.size() > dm_uuid_max)
		throw Error{Failure::malformed, "device uuid", text, "it has more than 128 characters"};
	if (!is_dm_text(text))
		throw Error{Failure::malformed, "device uuid", text,
			    "only letters, digits and # + - . : = @ _ are possible"};
}

} // namespace snapctl
