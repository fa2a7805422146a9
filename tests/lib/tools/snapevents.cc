// SPDX-License-Identifier: GPL-2.0-or-later
//
// Listens to the events of dm-snapshot on generic netlink, or asks for the dump, and prints
// what comes as key=value lines. Speaks netlink by hand, so that what is tested is the
// kernel and its header.
#include "base.h"

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "snap_genl.h"

using namespace tools;

namespace {

constexpr const char *usage_text =
	"usage: snapevents listen [--count N] [--until EVENT] [--seconds S] [--buffer BYTES]\n"
	"       snapevents dump\n"
	"       snapevents dump-with-attribute     a request that must be refused\n"
	"listen prints `ready` when it has joined, then a line an event, until there were N, or one\n"
	"named EVENT; 1 when S seconds (default 30) are over first.\n"
	"BYTES are what the socket may hold of what was not read yet.\n"
	"dump prints a line for each snapshot.\n";

constexpr std::array<const char *, SNAP_GENL_EVENT_MAX + 1> event_names{
	"unspec",	  "invalid",	"overflow",	"low_water",	"no_space",	"space_found",
	"merge_progress", "merge_done", "merge_failed", "merge_paused", "merge_resumed",
};

enum class Kind { none, u32, u64, text, latency };
struct Attribute {
	const char *name = nullptr;
	Kind kind = Kind::none;
};

constexpr std::array<Attribute, SNAP_GENL_A_MAX + 1> attributes = [] {
	std::array<Attribute, SNAP_GENL_A_MAX + 1> a{};
	a[SNAP_GENL_A_EVENT] = {"event", Kind::u32};
	a[SNAP_GENL_A_TIME] = {"time", Kind::u64};
	a[SNAP_GENL_A_MAJOR] = {"major", Kind::u32};
	a[SNAP_GENL_A_MINOR] = {"minor", Kind::u32};
	a[SNAP_GENL_A_NAME] = {"name", Kind::text};
	a[SNAP_GENL_A_UUID] = {"uuid", Kind::text};
	a[SNAP_GENL_A_FLAGS] = {"flags", Kind::u32};
	a[SNAP_GENL_A_ALLOCATED] = {"allocated", Kind::u64};
	a[SNAP_GENL_A_TOTAL] = {"total", Kind::u64};
	a[SNAP_GENL_A_METADATA] = {"metadata", Kind::u64};
	a[SNAP_GENL_A_FILL_RATE] = {"fill_rate", Kind::u64};
	a[SNAP_GENL_A_LOW_WATER] = {"low_water", Kind::u64};
	a[SNAP_GENL_A_EXCEPTIONS] = {"exceptions", Kind::u64};
	a[SNAP_GENL_A_COPIES] = {"copies", Kind::u64};
	a[SNAP_GENL_A_COPIED_BYTES] = {"copied_bytes", Kind::u64};
	a[SNAP_GENL_A_SHARED_COPIES] = {"shared_copies", Kind::u64};
	a[SNAP_GENL_A_COMMITS] = {"commits", Kind::u64};
	a[SNAP_GENL_A_WAITS] = {"waits", Kind::u64};
	a[SNAP_GENL_A_WAIT_NS] = {"wait_ns", Kind::u64};
	a[SNAP_GENL_A_SPACE_WAITS] = {"space_waits", Kind::u64};
	a[SNAP_GENL_A_SPACE_WAIT_NS] = {"space_wait_ns", Kind::u64};
	a[SNAP_GENL_A_WAITING] = {"waiting", Kind::u64};
	a[SNAP_GENL_A_LATENCY] = {"latency", Kind::latency};
	a[SNAP_GENL_A_MERGE_RATE] = {"merge_rate", Kind::u64};
	return a;
}();

template <typename T> T load(std::span<const std::byte> data)
{
	T value;
	if (data.size() < sizeof(value))
		throw Error("an attribute is too short");
	std::memcpy(&value, data.data(), sizeof(value));
	return value;
}

std::string text_of(std::span<const std::byte> data)
{
	if (data.empty() || data.back() != std::byte{0})
		throw Error("a string without NUL");
	return reinterpret_cast<const char *>(data.data());
}

// Calls fn(type, data) for each attribute.
template <typename Fn> void each_attribute(std::span<const std::byte> data, Fn fn)
{
	while (data.size() >= sizeof(nlattr)) {
		const auto header = load<nlattr>(data);
		if (header.nla_len < sizeof(nlattr) || header.nla_len > data.size())
			throw Error("a malformed attribute");
		fn(header.nla_type & NLA_TYPE_MASK, data.subspan(sizeof(nlattr), header.nla_len - sizeof(nlattr)));
		data = data.subspan(std::min<std::size_t>(NLA_ALIGN(header.nla_len), data.size()));
	}
}

class Netlink {
public:
	Netlink() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC))
	{
		if (fd_.get() < 0)
			throw Error(errno, "socket");
		sockaddr_nl address{};
		address.nl_family = AF_NETLINK;
		if (::bind(fd_.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)))
			throw Error(errno, "bind");
	}

	void request(std::uint16_t type, std::uint8_t command, std::uint16_t flags, std::uint16_t attribute = 0,
		     const std::string &value = {})
	{
		std::vector<std::byte> message(NLMSG_HDRLEN + GENL_HDRLEN);
		if (attribute) {
			nlattr header{};
			header.nla_len = static_cast<std::uint16_t>(sizeof(header) + value.size() + 1);
			header.nla_type = attribute;
			const std::size_t at = message.size();
			message.resize(at + NLA_ALIGN(header.nla_len));
			std::memcpy(&message[at], &header, sizeof(header));
			std::memcpy(&message[at + sizeof(header)], value.c_str(), value.size() + 1);
		}
		nlmsghdr header{};
		header.nlmsg_len = static_cast<std::uint32_t>(message.size());
		header.nlmsg_type = type;
		header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
		header.nlmsg_seq = 1;
		genlmsghdr generic{};
		generic.cmd = command;
		generic.version = 1;
		std::memcpy(message.data(), &header, sizeof(header));
		std::memcpy(&message[NLMSG_HDRLEN], &generic, sizeof(generic));
		if (::send(fd_.get(), message.data(), message.size(), 0) < 0)
			throw Error(errno, "send");
	}

	// Calls fn(message type, command, attributes) for each message of the next datagram. True:
	// an end or an acknowledgement was among them.
	template <typename Fn> bool receive(Fn fn)
	{
		const ssize_t got = ::recv(fd_.get(), buffer_.data(), buffer_.size(), 0);
		if (got < 0)
			throw Error(errno, "receive");
		std::span<const std::byte> rest{buffer_.data(), static_cast<std::size_t>(got)};
		while (rest.size() >= sizeof(nlmsghdr)) {
			const auto header = load<nlmsghdr>(rest);
			if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > rest.size())
				throw Error("a malformed message");
			const auto body = rest.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
			if (header.nlmsg_type == NLMSG_ERROR) {
				const int error = -load<nlmsgerr>(body).error;
				if (error)
					throw Error(error, "refused");
				return true;
			}
			if (header.nlmsg_type == NLMSG_DONE) {
				if (body.size() >= sizeof(int) && load<int>(body) < 0)
					throw Error(-load<int>(body), "dump");
				return true;
			}
			fn(header.nlmsg_type, load<genlmsghdr>(body).cmd, body.subspan(GENL_HDRLEN));
			rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
		}
		return false;
	}

	void join(std::uint32_t group) const
	{
		if (::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			throw Error(errno, "join");
	}

	void hold(int bytes) const
	{
		if (::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)))
			throw Error(errno, "SO_RCVBUF");
	}

	[[nodiscard]] bool readable(int milliseconds) const
	{
		pollfd poll{fd_.get(), POLLIN, 0};
		return ::poll(&poll, 1, milliseconds) > 0;
	}

private:
	Fd fd_;
	std::vector<std::byte> buffer_ = std::vector<std::byte>(65536);
};

struct Family {
	std::uint16_t id = 0;
	std::uint32_t version = 0;
	std::uint32_t events = 0;
};

Family find_family(Netlink &netlink)
{
	Family family;
	netlink.request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK, CTRL_ATTR_FAMILY_NAME, SNAP_GENL_NAME);
	const auto group = [&](std::span<const std::byte> data) {
		std::string name;
		std::uint32_t id = 0;
		each_attribute(data, [&](int type, std::span<const std::byte> value) {
			if (type == CTRL_ATTR_MCAST_GRP_NAME)
				name = text_of(value);
			else if (type == CTRL_ATTR_MCAST_GRP_ID)
				id = load<std::uint32_t>(value);
		});
		if (name == SNAP_GENL_GROUP_EVENTS)
			family.events = id;
	};
	while (!netlink.receive([&](int, int, std::span<const std::byte> data) {
		each_attribute(data, [&](int type, std::span<const std::byte> value) {
			if (type == CTRL_ATTR_FAMILY_ID)
				family.id = load<std::uint16_t>(value);
			else if (type == CTRL_ATTR_VERSION)
				family.version = load<std::uint32_t>(value);
			else if (type == CTRL_ATTR_MCAST_GROUPS)
				each_attribute(value, [&](int, std::span<const std::byte> one) { group(one); });
		});
	}))
		;
	if (!family.id || !family.events || family.version != SNAP_GENL_VERSION)
		throw Error("the family is not as its header says");
	return family;
}

std::string value_of(int type, std::span<const std::byte> data)
{
	switch (attributes[static_cast<std::size_t>(type)].kind) {
	case Kind::u32: {
		const auto number = load<std::uint32_t>(data);
		if (type == SNAP_GENL_A_EVENT)
			return number < event_names.size() ? event_names[number] : "?";
		return std::to_string(number);
	}
	case Kind::u64:
		return std::to_string(load<std::uint64_t>(data));
	case Kind::text:
		return text_of(data);
	default: {
		std::uint64_t sum = 0;
		if (data.size() != SNAP_GENL_LATENCY_BUCKETS * sizeof(sum))
			throw Error("a latency of the wrong size");
		for (std::size_t i = 0; i < SNAP_GENL_LATENCY_BUCKETS; i++)
			sum += load<std::uint64_t>(data.subspan(i * sizeof(sum)));
		return std::to_string(sum);
	}
	}
}

// A line of key=value; latency is the sum over all buckets.
std::string line_of(std::span<const std::byte> data, std::string &event)
{
	std::ostringstream line;
	each_attribute(data, [&](int type, std::span<const std::byte> value) {
		if (type == SNAP_GENL_A_PAD)
			return;
		if (type > SNAP_GENL_A_MAX || attributes[static_cast<std::size_t>(type)].kind == Kind::none)
			throw Error("an attribute that the header does not know");
		const std::string text = value_of(type, value);
		if (type == SNAP_GENL_A_EVENT)
			event = text;
		line << (line.tellp() > 0 ? " " : "") << attributes[static_cast<std::size_t>(type)].name << "=" << text;
	});
	return line.str();
}

int listen(const Options &options)
{
	Netlink netlink;
	netlink.join(find_family(netlink).events);
	if (const std::uint64_t bytes = options.number("buffer", 0))
		netlink.hold(static_cast<int>(bytes));
	std::cout << "ready" << std::endl;
	const std::uint64_t count = options.number("count", 0);
	const std::string until = options.get("until").value_or("");
	const int milliseconds = static_cast<int>(options.number("seconds", 30)) * 1000;
	std::uint64_t seen = 0;
	bool done = false;
	while (!done) {
		if (!netlink.readable(milliseconds))
			return exit_failed;
		netlink.receive([&](int, int command, std::span<const std::byte> data) {
			if (command != SNAP_GENL_CMD_EVENT)
				throw Error("a message that is no event");
			std::string event;
			std::cout << line_of(data, event) << std::endl;
			done = done || ++seen == count || event == until;
		});
	}
	return exit_done;
}

int dump(bool with_attribute)
{
	Netlink netlink;
	const Family family = find_family(netlink);
	netlink.request(family.id, SNAP_GENL_CMD_GET, NLM_F_DUMP, with_attribute ? SNAP_GENL_A_NAME : 0, "x");
	while (!netlink.receive([&](int type, int command, std::span<const std::byte> data) {
		if (type != family.id || command != SNAP_GENL_CMD_GET)
			throw Error("a message that is no answer");
		std::string event;
		std::cout << line_of(data, event) << std::endl;
	}))
		;
	return exit_done;
}

int body(const std::vector<std::string> &args)
{
	const Options options(args, {"count", "until", "seconds", "buffer"}, {});
	if (options.positional().size() != 1)
		throw UsageError("a verb is needed");
	const std::string &verb = options.positional()[0];
	if (verb == "listen")
		return listen(options);
	if (verb == "dump" || verb == "dump-with-attribute")
		return dump(verb != "dump");
	throw UsageError("no such verb: " + verb);
}

} // namespace

int main(int argc, char **argv)
{
	return run_tool("snapevents", usage_text, argc, argv, body);
}
