// SPDX-License-Identifier: GPL-2.0-or-later
//
// A file descriptor with one owner.
#pragma once

#include <string>
#include <utility>

namespace snapctl {

class UniqueFd {
public:
	UniqueFd() = default;
	explicit UniqueFd(int fd) noexcept : fd_{fd} {}
	UniqueFd(UniqueFd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
	UniqueFd& operator=(UniqueFd&& other) noexcept
	{
		std::swap(fd_, other.fd_);
		return *this;
	}
	UniqueFd(const UniqueFd&) = delete;
	UniqueFd& operator=(const UniqueFd&) = delete;
	~UniqueFd() { reset(); }

	[[nodiscard]] int get() const noexcept { return fd_; }
	[[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
	[[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
	void reset() noexcept;

private:
	int fd_ = -1;
};

// open(2) with O_CLOEXEC; throws Error with this context.
[[nodiscard]] UniqueFd open_file(const std::string& path, int flags, const char* context,
				 unsigned mode = 0600);

} // namespace snapctl
