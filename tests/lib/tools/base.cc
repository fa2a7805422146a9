// SPDX-License-Identifier: GPL-2.0-or-later
#include "base.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace tools {

Error::Error(int error, const std::string &context)
	: std::system_error(error, std::generic_category()),
	  text_(context + ": " + std::generic_category().message(error))
{
}

Error::Error(const std::string &context)
	: std::system_error(EIO, std::generic_category()), text_(context)
{
}

int run_tool(const char *name, const char *usage, int argc, char **argv,
	     const std::function<int(std::vector<std::string>)> &body)
{
	try {
		std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
		if (args.size() == 1 && (args[0] == "--help" || args[0] == "-h")) {
			std::cout << usage;
			return exit_done;
		}
		const int code = body(std::move(args));
		std::cout.flush();
		return code;
	} catch (const UsageError &error) {
		std::cout.flush();
		std::cerr << name << ": " << error.what() << "\n" << usage;
		return exit_usage;
	} catch (const Error &error) {
		std::cout.flush();
		std::cerr << name << ": " << error.what() << "\n";
		return exit_io;
	} catch (const std::exception &error) {
		std::cout.flush();
		std::cerr << name << ": " << error.what() << "\n";
		return exit_failed;
	}
}

std::uint64_t parse_number(std::string_view text)
{
	const std::string_view whole = text;
	int base = 10;
	if (text.starts_with("0x")) {
		text.remove_prefix(2);
		base = 16;
	}
	std::uint64_t value = 0;
	const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
	if (error != std::errc{} || end != text.data() + text.size() || text.empty())
		throw UsageError("not a number: " + std::string(whole));
	return value;
}

std::uint64_t parse_bytes(std::string_view text)
{
	unsigned shift = 0;
	if (!text.empty()) {
		switch (text.back()) {
		case 's': shift = 9; break;
		case 'k': case 'K': shift = 10; break;
		case 'm': case 'M': shift = 20; break;
		case 'g': case 'G': shift = 30; break;
		default: break;
		}
	}
	if (shift)
		text.remove_suffix(1);
	const std::uint64_t value = parse_number(text);
	if (shift && value >> (64 - shift))
		throw UsageError("too large: " + std::string(text));
	return value << shift;
}

std::vector<std::string> split(std::string_view text, char separator)
{
	std::vector<std::string> parts;
	while (true) {
		const std::size_t at = text.find(separator);
		parts.emplace_back(text.substr(0, at));
		if (at == std::string_view::npos)
			return parts;
		text.remove_prefix(at + 1);
	}
}

Options::Options(const std::vector<std::string> &args, const std::vector<std::string> &with_value,
		 const std::vector<std::string> &flags)
{
	for (std::size_t i = 0; i < args.size(); i++) {
		if (!args[i].starts_with("--")) {
			positional_.push_back(args[i]);
			continue;
		}
		std::string name = args[i].substr(2);
		std::optional<std::string> joined;
		if (const std::size_t at = name.find('='); at != std::string::npos) {
			joined = name.substr(at + 1);
			name.resize(at);
		}
		if (std::ranges::find(flags, name) != flags.end()) {
			if (joined)
				throw UsageError("--" + name + " takes no value");
			values_[name].emplace_back();
		} else if (std::ranges::find(with_value, name) != with_value.end()) {
			if (!joined) {
				if (i + 1 == args.size())
					throw UsageError("--" + name + " needs a value");
				joined = args[++i];
			}
			values_[name].push_back(*joined);
		} else {
			throw UsageError("unknown option --" + name);
		}
	}
}

std::vector<std::string> Options::all(const std::string &name) const
{
	const auto found = values_.find(name);
	return found == values_.end() ? std::vector<std::string>{} : found->second;
}

std::optional<std::string> Options::get(const std::string &name) const
{
	const auto found = values_.find(name);
	if (found == values_.end())
		return std::nullopt;
	return found->second.back();
}

std::string Options::need(const std::string &name) const
{
	if (auto value = get(name))
		return *value;
	throw UsageError("--" + name + " is missing");
}

std::uint64_t Options::number(const std::string &name, std::uint64_t otherwise) const
{
	const auto value = get(name);
	return value ? parse_number(*value) : otherwise;
}

std::uint64_t Options::bytes(const std::string &name, std::uint64_t otherwise) const
{
	const auto value = get(name);
	return value ? parse_bytes(*value) : otherwise;
}

AlignedBuffer::AlignedBuffer(std::size_t bytes) : size_(bytes)
{
	constexpr std::size_t align = 4096;
	const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + align - 1) / align * align;
	data_.reset(static_cast<std::byte *>(std::aligned_alloc(align, rounded)));
	if (!data_)
		throw std::bad_alloc();
}

void AlignedBuffer::Free::operator()(std::byte *memory) const
{
	std::free(memory);
}

Fd &Fd::operator=(Fd &&other) noexcept
{
	std::swap(fd_, other.fd_);
	return *this;
}

Fd::~Fd()
{
	if (fd_ >= 0)
		::close(fd_);
}

BlockFile::BlockFile(const std::string &path, Access access, bool direct) : path_(path)
{
	int flags = O_CLOEXEC;
	flags |= access == Access::read ? O_RDONLY : O_RDWR;
	if (access == Access::create)
		flags |= O_CREAT;
	if (direct)
		flags |= O_DIRECT;
	fd_ = Fd(::open(path.c_str(), flags, 0644));
	if (fd_.get() < 0)
		throw Error(errno, "open: " + path);

	struct stat info {};
	if (::fstat(fd_.get(), &info) < 0)
		throw Error(errno, "stat: " + path);
	if (S_ISBLK(info.st_mode)) {
		int block = 0;
		if (::ioctl(fd_.get(), BLKGETSIZE64, &size_) < 0 ||
		    ::ioctl(fd_.get(), BLKSSZGET, &block) < 0)
			throw Error(errno, "size: " + path);
		logical_block_ = static_cast<std::size_t>(block);
		is_device_ = true;
		// What others wrote past this device's cache is to be seen.
		if (!direct)
			static_cast<void>(::ioctl(fd_.get(), BLKFLSBUF, 0));
	} else if (S_ISREG(info.st_mode)) {
		size_ = static_cast<std::uint64_t>(info.st_size);
	} else {
		throw Error(ENOTBLK, "open: " + path);
	}
}

int BlockFile::try_read(std::uint64_t offset, std::span<std::byte> into) const
{
	while (!into.empty()) {
		const ssize_t got = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (got == 0)
			return ENODATA;
		into = into.subspan(static_cast<std::size_t>(got));
		offset += static_cast<std::uint64_t>(got);
	}
	return 0;
}

int BlockFile::try_write(std::uint64_t offset, std::span<const std::byte> from, bool durable) const
{
	while (!from.empty()) {
		const iovec vec{const_cast<std::byte *>(from.data()), from.size()};
		const ssize_t got = ::pwritev2(fd_.get(), &vec, 1, static_cast<off_t>(offset),
					       durable ? RWF_DSYNC : 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (got == 0)
			return ENOSPC;
		from = from.subspan(static_cast<std::size_t>(got));
		offset += static_cast<std::uint64_t>(got);
	}
	return 0;
}

int BlockFile::try_flush() const
{
	return ::fdatasync(fd_.get()) < 0 ? errno : 0;
}

int BlockFile::try_zero(std::uint64_t offset, std::uint64_t bytes) const
{
	return ::fallocate(fd_.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
			   static_cast<off_t>(bytes)) < 0 ? errno : 0;
}

int BlockFile::try_discard(std::uint64_t offset, std::uint64_t bytes) const
{
	if (!is_device_)
		return ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   static_cast<off_t>(offset), static_cast<off_t>(bytes)) < 0 ? errno : 0;
	std::uint64_t range[2] = {offset, bytes};
	return ::ioctl(fd_.get(), BLKDISCARD, range) < 0 ? errno : 0;
}

void BlockFile::read(std::uint64_t offset, std::span<std::byte> into) const
{
	if (const int error = try_read(offset, into))
		throw Error(error, "read: " + path_ + " at byte " + std::to_string(offset));
}

void BlockFile::write(std::uint64_t offset, std::span<const std::byte> from) const
{
	if (const int error = try_write(offset, from))
		throw Error(error, "write: " + path_ + " at byte " + std::to_string(offset));
}

void BlockFile::flush() const
{
	if (const int error = try_flush())
		throw Error(error, "flush: " + path_);
}

void BlockFile::zero(std::uint64_t offset, std::uint64_t bytes) const
{
	if (!bytes || try_zero(offset, bytes) == 0)
		return;
	constexpr std::uint64_t piece = 1 << 20;
	AlignedBuffer zeroes(std::min(bytes, piece));
	std::memset(zeroes.data(), 0, zeroes.size());
	while (bytes) {
		const std::uint64_t now = std::min(bytes, piece);
		write(offset, zeroes.first(now));
		offset += now;
		bytes -= now;
	}
}

void BlockFile::resize(std::uint64_t bytes)
{
	if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) < 0)
		throw Error(errno, "resize: " + path_);
	size_ = bytes;
}

std::uint64_t mix64(std::uint64_t value)
{
	value += 0x9e3779b97f4a7c15;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
	value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
	return value ^ (value >> 31);
}

Random::Random(std::uint64_t seed)
{
	for (auto &word : state_)
		word = mix64(seed += 0x9e3779b97f4a7c15);
}

std::uint64_t Random::next()
{
	const auto rotl = [](std::uint64_t x, unsigned k) { return (x << k) | (x >> (64 - k)); };
	const std::uint64_t result = rotl(state_[1] * 5, 7) * 9;
	const std::uint64_t t = state_[1] << 17;
	state_[2] ^= state_[0];
	state_[3] ^= state_[1];
	state_[1] ^= state_[2];
	state_[0] ^= state_[3];
	state_[2] ^= t;
	state_[3] = rotl(state_[3], 45);
	return result;
}

} // namespace tools
