// SPDX-License-Identifier: GPL-2.0-or-later
//
// What every test tool needs: failures that say what went wrong with which
// object, descriptors and buffers that clean up after themselves, a command
// line, a random generator that gives the same numbers everywhere.
#ifndef TOOLS_BASE_H
#define TOOLS_BASE_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace tools {

inline constexpr std::size_t sector_bytes = 512;

// Exit codes that all tools share. stomper says 1 for a mismatch (see there).
enum ExitCode : int { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_damage = 3, exit_io = 4 };

// "context: object: reason"
class Error : public std::system_error {
public:
	Error(int error, const std::string &context);
	// A failure that no errno describes.
	explicit Error(const std::string &context);

	[[nodiscard]] const char *what() const noexcept override { return text_.c_str(); }

private:
	std::string text_;
};

struct UsageError : std::runtime_error {
	using std::runtime_error::runtime_error;
};

// Runs a tool's body; the only place where exceptions end. UsageError prints
// @usage and gives exit_usage, Error exit_io, everything else exit_failed.
int run_tool(const char *name, const char *usage, int argc, char **argv,
	     const std::function<int(std::vector<std::string>)> &body);

// Decimal, or hexadecimal behind 0x.
[[nodiscard]] std::uint64_t parse_number(std::string_view text);
// A number with an optional K, M, G or s (sectors) behind it.
[[nodiscard]] std::uint64_t parse_bytes(std::string_view text);
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);

// A command line: "--name value" for names in @with_value, "--name" for those
// in @flags, everything else is positional. Names may be repeated.
class Options {
public:
	Options(const std::vector<std::string> &args, const std::vector<std::string> &with_value,
		const std::vector<std::string> &flags);

	[[nodiscard]] const std::vector<std::string> &positional() const { return positional_; }
	[[nodiscard]] bool has(const std::string &name) const { return values_.contains(name); }
	[[nodiscard]] std::vector<std::string> all(const std::string &name) const;
	[[nodiscard]] std::optional<std::string> get(const std::string &name) const;
	[[nodiscard]] std::string need(const std::string &name) const;
	[[nodiscard]] std::uint64_t number(const std::string &name, std::uint64_t otherwise) const;
	[[nodiscard]] std::uint64_t bytes(const std::string &name, std::uint64_t otherwise) const;

private:
	std::vector<std::string> positional_;
	std::map<std::string, std::vector<std::string>> values_;
};

// Memory that O_DIRECT accepts.
class AlignedBuffer {
public:
	AlignedBuffer() = default;
	explicit AlignedBuffer(std::size_t bytes);

	[[nodiscard]] std::byte *data() const { return data_.get(); }
	[[nodiscard]] std::size_t size() const { return size_; }
	[[nodiscard]] std::span<std::byte> first(std::size_t bytes) const { return {data_.get(), bytes}; }

private:
	struct Free {
		void operator()(std::byte *memory) const;
	};
	std::unique_ptr<std::byte, Free> data_;
	std::size_t size_ = 0;
};

class Fd {
public:
	Fd() = default;
	explicit Fd(int fd) : fd_(fd) {}
	Fd(Fd &&other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
	Fd &operator=(Fd &&other) noexcept;
	Fd(const Fd &) = delete;
	Fd &operator=(const Fd &) = delete;
	~Fd();

	[[nodiscard]] int get() const { return fd_; }

private:
	int fd_ = -1;
};

enum class Access { read, write, create };

// A block device, or a file that plays one.
class BlockFile {
public:
	BlockFile(const std::string &path, Access access, bool direct = false);

	[[nodiscard]] const std::string &path() const { return path_; }
	[[nodiscard]] std::uint64_t size() const { return size_; }
	[[nodiscard]] std::uint64_t sectors() const { return size_ / sector_bytes; }
	[[nodiscard]] std::size_t logical_block() const { return logical_block_; }
	[[nodiscard]] bool is_device() const { return is_device_; }

	// All or an Error.
	void read(std::uint64_t offset, std::span<std::byte> into) const;
	void write(std::uint64_t offset, std::span<const std::byte> from) const;
	// 0 or an errno, for those who expect failures. @durable: as with O_DSYNC.
	[[nodiscard]] int try_read(std::uint64_t offset, std::span<std::byte> into) const;
	[[nodiscard]] int try_write(std::uint64_t offset, std::span<const std::byte> from,
				    bool durable = false) const;
	[[nodiscard]] int try_flush() const;
	// Zeroes a range with the device's own command.
	[[nodiscard]] int try_zero(std::uint64_t offset, std::uint64_t bytes) const;
	[[nodiscard]] int try_discard(std::uint64_t offset, std::uint64_t bytes) const;
	void flush() const;
	// Zeroes a range, by writing where there is no command for it.
	void zero(std::uint64_t offset, std::uint64_t bytes) const;
	void resize(std::uint64_t bytes);

private:
	std::string path_;
	Fd fd_;
	std::uint64_t size_ = 0;
	std::size_t logical_block_ = sector_bytes;
	bool is_device_ = false;
};

// xoshiro256**, seeded through splitmix64.
class Random {
public:
	explicit Random(std::uint64_t seed);
	std::uint64_t next();
	// 0 .. @limit - 1
	std::uint64_t below(std::uint64_t limit) { return limit ? next() % limit : 0; }
	bool percent(unsigned chance) { return below(100) < chance; }

private:
	std::uint64_t state_[4];
};

[[nodiscard]] std::uint64_t mix64(std::uint64_t value);

} // namespace tools

#endif
