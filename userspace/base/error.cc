// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/error.h"

namespace snapctl {

namespace {

class FailureCategory final : public std::error_category {
public:
	[[nodiscard]] const char* name() const noexcept override { return "snapctl"; }

	[[nodiscard]] std::string message(int value) const override
	{
		switch (static_cast<Failure>(value)) {
		case Failure::refused: return "refused";
		case Failure::not_found: return "not found";
		case Failure::exists: return "exists already";
		case Failure::busy: return "in use";
		case Failure::malformed: return "cannot be read";
		case Failure::unsupported: return "not supported";
		case Failure::damaged: return "damaged";
		case Failure::failed: return "failed";
		}
		return "unknown failure";
	}
};

} // namespace

const std::error_category& failure_category() noexcept
{
	static const FailureCategory category;
	return category;
}

std::error_code make_error_code(Failure failure) noexcept
{
	return {static_cast<int>(failure), failure_category()};
}

Error::Error(std::error_code code, std::string_view context, std::string_view object,
	     std::string_view reason, std::string_view advice)
	: std::system_error{code}, context_{context}, object_{object},
	  reason_{reason.empty() ? code.message() : std::string{reason}}, advice_{advice}
{
	for (const std::string* part : {&context_, &object_, &reason_}) {
		if (part->empty())
			continue;
		if (!text_.empty())
			text_ += ": ";
		text_ += *part;
	}
}

Error Error::from_errno(int number, std::string_view context, std::string_view object,
			std::string_view advice)
{
	return {std::error_code{number, std::generic_category()}, context, object, {}, advice};
}

} // namespace snapctl
