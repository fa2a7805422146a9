// SPDX-License-Identifier: GPL-2.0-or-later
//
// Two sockets: one that is only listened to, one that asks. So an answer never
// has to be told from an event.
#include <cerrno>

#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "snap_genl.h"

#include "base/error.h"
#include "genl/events.h"

namespace snapctl::genl {

namespace {

// Bursts of events of hundreds of snapshots fit.
constexpr int buffer_bytes = 1 << 20;

void check(int result, const char* what)
{
	if (result < 0)
		throw Error{Failure::failed, "netlink", what, nl_geterror(result)};
}

class Socket {
public:
	Socket() : socket_{nl_socket_alloc()}
	{
		if (!socket_)
			throw Error{Failure::failed, "netlink", "", "no memory for a socket"};
		check(genl_connect(get()), "connect");
	}
	[[nodiscard]] nl_sock* get() const noexcept { return socket_.get(); }

private:
	struct Free {
		void operator()(nl_sock* socket) const noexcept { nl_socket_free(socket); }
	};
	std::unique_ptr<nl_sock, Free> socket_;
};

std::span<const std::byte> attributes_of(nlmsghdr* header)
{
	auto* generic = static_cast<genlmsghdr*>(nlmsg_data(header));
	return {reinterpret_cast<const std::byte*>(genlmsg_attrdata(generic, 0)),
		static_cast<std::size_t>(genlmsg_attrlen(generic, 0))};
}

int command_of(nlmsghdr* header) { return static_cast<genlmsghdr*>(nlmsg_data(header))->cmd; }

// A callback of C must not throw. What one message has wrong costs that message.
int take_event(nl_msg* message, void* batch) noexcept
{
	nlmsghdr* header = nlmsg_hdr(message);
	auto& into = *static_cast<EventSource::Batch*>(batch);
	try {
		if (genlmsg_valid_hdr(header, 0) != 0 && command_of(header) == SNAP_GENL_CMD_EVENT)
			if (auto event = parse_event(attributes_of(header)))
				into.events.push_back(std::move(*event));
	} catch (const std::exception&) {
		into.lost = true;
	}
	return NL_OK;
}

struct Dump {
	std::vector<KernelCounters> found;
	bool done = false;
	int error = 0;
};

int take_counters(nl_msg* message, void* dump) noexcept
{
	nlmsghdr* header = nlmsg_hdr(message);
	auto& into = *static_cast<Dump*>(dump);
	try {
		if (genlmsg_valid_hdr(header, 0) != 0 && command_of(header) == SNAP_GENL_CMD_GET)
			into.found.push_back(parse_counters(attributes_of(header)));
	} catch (const std::exception&) {
		into.error = -NLE_PARSE_ERR;
	}
	return NL_OK;
}

int take_end(nl_msg*, void* dump) noexcept
{
	static_cast<Dump*>(dump)->done = true;
	return NL_STOP;
}

int take_error(sockaddr_nl*, nlmsgerr* error, void* dump) noexcept
{
	auto& into = *static_cast<Dump*>(dump);
	into.error = -nl_syserr2nlerr(error->error);
	into.done = true;
	return NL_STOP;
}

class NetlinkSource final : public EventSource {
public:
	NetlinkSource()
	{
		nl_socket_disable_seq_check(listen_.get());
		nl_socket_disable_auto_ack(listen_.get());
		check(nl_socket_set_nonblocking(listen_.get()), "nonblocking");
		check(nl_socket_set_buffer_size(listen_.get(), buffer_bytes, 0), "buffer");
		check(nl_socket_modify_cb(listen_.get(), NL_CB_VALID, NL_CB_CUSTOM, take_event, &batch_), "callback");
		refresh();
	}

	int fd() override { return nl_socket_get_fd(listen_.get()); }

	Batch read() override
	{
		batch_ = {};
		for (;;) {
			const int result = nl_recvmsgs_default(listen_.get());
			if (result == -NLE_NOMEM || result == -NLE_MSG_OVERFLOW || result == -NLE_MSG_TRUNC) {
				batch_.lost = true; // ENOBUFS: the kernel dropped some
				continue;
			}
			if (result < 0)
				return std::move(batch_);
		}
	}

	std::vector<KernelCounters> dump() override
	{
		if (!refresh())
			return {};
		Dump dump;
		nl_cb* callbacks = nl_cb_alloc(NL_CB_DEFAULT);
		if (callbacks == nullptr)
			throw Error{Failure::failed, "netlink", "", "no memory"};
		nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, take_counters, &dump);
		nl_cb_set(callbacks, NL_CB_FINISH, NL_CB_CUSTOM, take_end, &dump);
		nl_cb_err(callbacks, NL_CB_CUSTOM, take_error, &dump);
		int result = genl_send_simple(ask_.get(), family_, SNAP_GENL_CMD_GET, SNAP_GENL_VERSION, NLM_F_DUMP);
		while (result >= 0 && !dump.done)
			result = nl_recvmsgs(ask_.get(), callbacks);
		nl_cb_put(callbacks);
		check(result, "dump");
		check(dump.error, "dump");
		return std::move(dump.found);
	}

	bool refresh() override
	{
		const int family = genl_ctrl_resolve(ask_.get(), SNAP_GENL_NAME);
		const int group = family < 0 ? family
					     : genl_ctrl_resolve_grp(ask_.get(), SNAP_GENL_NAME, SNAP_GENL_GROUP_EVENTS);
		if (group < 0) {
			family_ = group_ = -1;
			return false;
		}
		// A module that was loaded again has another family, perhaps with the old group's number.
		if (group != group_ || family != family_)
			check(nl_socket_add_membership(listen_.get(), group), "listen to events");
		family_ = family;
		group_ = group;
		return true;
	}

private:
	Socket listen_, ask_;
	Batch batch_;
	int family_ = -1, group_ = -1;
};

} // namespace

std::unique_ptr<EventSource> make_netlink_source() { return std::make_unique<NetlinkSource>(); }

} // namespace snapctl::genl
