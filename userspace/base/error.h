// SPDX-License-Identifier: GPL-2.0-or-later
//
// The one kind of failure. Its text is `context: object: reason`, and it may
// carry a sentence on what to do next.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace snapctl {

// What went wrong, where errno has no word for it.
enum class Failure {
	refused = 1,  // the request makes no sense as things are
	not_found,    // no such origin, snapshot, device
	exists,       // the name is taken
	busy,         // in use
	malformed,    // a text that cannot be read
	unsupported,  // by this kernel, this module, this build
	damaged,      // data on disk that is not as it should be
	failed,       // a command, a device, a library
};

const std::error_category& failure_category() noexcept;
std::error_code make_error_code(Failure failure) noexcept;

} // namespace snapctl

template <>
struct std::is_error_code_enum<snapctl::Failure> : std::true_type {};

namespace snapctl {

class Error : public std::system_error {
public:
	// context: what was being done ("create snapshot"); object: to what
	// ("monday"); reason: why it cannot be. An empty part is left out.
	Error(std::error_code code, std::string_view context, std::string_view object,
	      std::string_view reason, std::string_view advice = {});

	// The reason is the text of errno.
	static Error from_errno(int number, std::string_view context, std::string_view object,
				std::string_view advice = {});

	[[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }
	[[nodiscard]] const std::string& context() const noexcept { return context_; }
	[[nodiscard]] const std::string& object() const noexcept { return object_; }
	[[nodiscard]] const std::string& reason() const noexcept { return reason_; }
	// What to do next; "" when there is nothing to say.
	[[nodiscard]] const std::string& advice() const noexcept { return advice_; }

private:
	std::string context_, object_, reason_, advice_, text_;
};

} // namespace snapctl
