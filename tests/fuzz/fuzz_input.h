// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reads numbers off the input of a fuzzer; zeroes once it has ended.
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace fuzz {

class Input {
public:
	Input(const std::uint8_t *data, std::size_t size) : at_(data), end_(data + size) {}

	[[nodiscard]] bool ended() const { return at_ == end_; }
	std::uint8_t byte() { return ended() ? std::uint8_t{0} : *at_++; }
	std::uint64_t number(unsigned nr_bytes)
	{
		std::uint64_t value = 0;
		for (unsigned i = 0; i < nr_bytes; i++)
			value |= std::uint64_t{byte()} << 8 * i;
		return value;
	}

private:
	const std::uint8_t *at_;
	const std::uint8_t *end_;
};

inline void require(bool holds, const char *what)
{
	if (holds)
		return;
	std::fprintf(stderr, "fuzz: %s\n", what);
	std::abort();
}

} // namespace fuzz

#endif
