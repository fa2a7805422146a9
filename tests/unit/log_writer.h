// SPDX-License-Identifier: GPL-2.0-or-later
//
// Writes logs as dm-log-writes does: a plain write appears when a later flush
// completes, a FUA write and a mark at once.
#ifndef UNIT_LOG_WRITER_H
#define UNIT_LOG_WRITER_H

#include "base.h"
#include "write_log.h"

#include <cstring>
#include <endian.h>
#include <filesystem>

#include <unistd.h>

namespace unit {

class TemporaryFile {
public:
	TemporaryFile()
	{
		std::string name = (std::filesystem::temp_directory_path() / "unit-XXXXXX").string();
		const int fd = ::mkstemp(name.data());
		if (fd < 0)
			throw tools::Error(errno, "mkstemp");
		::close(fd);
		path = name;
	}
	~TemporaryFile() { std::filesystem::remove(path); }
	TemporaryFile(const TemporaryFile &) = delete;
	TemporaryFile &operator=(const TemporaryFile &) = delete;
	std::string path;
};

class LogWriter {
public:
	explicit LogWriter(std::size_t block = 512) : block_(block), bytes_(block) {}

	void write(std::uint64_t sector, const std::vector<std::byte> &data, std::uint64_t flags = 0)
	{
		Block block{sector, data.size() / 512, flags, data, {}};
		if (flags & tools::log_flush)
			flushed();
		if (flags & (tools::log_flush | tools::log_fua))
			append(block);
		else
			unflushed_.push_back(block);
	}
	void discard(std::uint64_t sector, std::uint64_t nr)
	{
		unflushed_.push_back({sector, nr, tools::log_discard, {}, {}});
	}
	void flush()
	{
		flushed();
		append({0, 0, tools::log_flush, {}, {}});
	}
	void mark(const std::string &text) { append({0, 0, tools::log_mark, {}, text}); }

	// What the destructor of the target does, and the file.
	void finish(const std::string &path)
	{
		flushed();
		mark("dm-log-writes-end");
		put(0, 0, 0x6a736677736872);
		put(0, 1, 1);
		put(0, 2, nr_);
		const std::uint32_t size = htole32(static_cast<std::uint32_t>(block_));
		std::memcpy(bytes_.data() + 24, &size, sizeof(size));
		tools::BlockFile file(path, tools::Access::create);
		file.resize(0);
		file.write(0, bytes_);
	}

	std::vector<std::byte> &bytes() { return bytes_; }

private:
	struct Block {
		std::uint64_t sector, nr, flags;
		std::vector<std::byte> data;
		std::string mark;
	};

	void put(std::size_t offset, unsigned index, std::uint64_t value)
	{
		value = htole64(value);
		std::memcpy(bytes_.data() + offset + index * 8, &value, 8);
	}
	void flushed()
	{
		for (const Block &block : unflushed_)
			append(block);
		unflushed_.clear();
	}
	void append(const Block &block)
	{
		const std::size_t at = bytes_.size();
		bytes_.resize(at + block_);
		put(at, 0, block.sector * 512 / block_);
		put(at, 1, block.nr * 512 / block_);
		put(at, 2, block.flags);
		put(at, 3, block.mark.size());
		std::memcpy(bytes_.data() + at + 32, block.mark.data(), block.mark.size());
		bytes_.insert(bytes_.end(), block.data.begin(), block.data.end());
		nr_++;
	}

	std::size_t block_;
	std::vector<std::byte> bytes_;
	std::vector<Block> unflushed_;
	std::uint64_t nr_ = 0;
};

} // namespace unit

#endif
