// SPDX-License-Identifier: GPL-2.0-or-later
#include "ipc/frame.h"

namespace snapctl::ipc {

FrameHeader make_header(std::size_t length)
{
	return {static_cast<unsigned char>(length >> 24 & 0xff),
		static_cast<unsigned char>(length >> 16 & 0xff),
		static_cast<unsigned char>(length >> 8 & 0xff),
		static_cast<unsigned char>(length & 0xff)};
}

std::size_t parse_header(const FrameHeader& header)
{
	std::size_t length = 0;
	for (const unsigned char byte : header)
		length = length << 8 | byte;
	return length;
}

std::string frame(std::string_view message)
{
	const auto header = make_header(message.size());
	std::string bytes{header.begin(), header.end()};
	bytes += message;
	return bytes;
}

} // namespace snapctl::ipc
