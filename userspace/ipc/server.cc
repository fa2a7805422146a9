// SPDX-License-Identifier: GPL-2.0-or-later
#include "ipc/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "base/error.h"
#include "ipc/frame.h"

namespace snapctl::ipc {

namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;
using Code = boost::system::error_code;

class Session;

} // namespace

struct Server::State {
	asio::io_context& io;
	Service& service;
	Limits limits;
	std::function<void()> handled;
	asio::local::stream_protocol::acceptor acceptor;
	asio::steady_timer pause; // after a failed accept
	std::set<std::shared_ptr<Session>> sessions;
	std::size_t readers = 0; // sessions that may not change
};

namespace {

// One connection. It reads a request, answers it, and reads the next: what
// comes before the answer stays in the socket's buffer, which is bounded.
class Session : public std::enable_shared_from_this<Session> {
public:
	Session(std::weak_ptr<Server::State> server, Socket socket, Peer peer, bool reader)
		: reads_only{reader}, server_{std::move(server)}, socket_{std::move(socket)},
		  timer_{socket_.get_executor()}, peer_{std::move(peer)}
	{
	}

	void start() { wait_for_request(); }

	// Of a connection that is not wanted: say why, and end.
	void turn_away(std::string message) { send(std::move(message), true); }

	void offer(const engine::Event& event)
	{
		if (streams_)
			send(Service::event_message(stream_id_, event), false);
	}

	void close()
	{
		if (closed_)
			return;
		closed_ = true;
		timer_.cancel();
		Code ignored;
		socket_.close(ignored);
		if (const auto server = server_.lock()) {
			if (reads_only)
				server->readers--;
			server->sessions.erase(shared_from_this());
		}
	}

	const bool reads_only;

private:
	void within(std::chrono::milliseconds limit)
	{
		timer_.expires_after(limit);
		timer_.async_wait([self = shared_from_this()](Code code) {
			if (!code)
				self->close();
		});
	}

	void wait_for_request()
	{
		const auto server = server_.lock();
		if (!server)
			return close();
		within(server->limits.idle);
		socket_.async_wait(Socket::wait_read, [self = shared_from_this()](Code code) {
			if (code || self->closed_)
				return self->close();
			self->read_header();
		});
	}

	void read_header()
	{
		const auto server = server_.lock();
		if (!server)
			return close();
		within(server->limits.transfer);
		asio::async_read(socket_, asio::buffer(header_),
				 [self = shared_from_this()](Code code, std::size_t) {
					 if (code || self->closed_)
						 return self->close();
					 self->read_body();
				 });
	}

	void read_body()
	{
		const std::size_t length = parse_header(header_);
		if (length == 0 || length > max_request)
			return send(Service::error_message("too_large", "a request has 1 to " +
									       std::to_string(max_request) + " bytes"),
				    true);
		body_.resize(length);
		asio::async_read(socket_, asio::buffer(body_),
				 [self = shared_from_this()](Code code, std::size_t) {
					 if (code || self->closed_)
						 return self->close();
					 self->obey();
				 });
	}

	void obey()
	{
		const auto server = server_.lock();
		if (!server)
			return close();
		timer_.cancel(); // the engine may take its time
		Answer answer = server->service.handle(body_, peer_);
		if (answer.message.empty())
			return close();
		send(std::move(answer.message), answer.hang_up);
		if (answer.streams && !closed_) {
			stream_id_ = answer.id;
			streams_ = true;
			wait_for_end();
		}
		if (server->handled)
			server->handled();
	}

	// A watcher has nothing more to say; whatever it says is its end.
	void wait_for_end()
	{
		socket_.async_wait(Socket::wait_read,
				   [self = shared_from_this()](Code) { self->close(); });
	}

	void send(std::string message, bool last)
	{
		if (closed_ || last_)
			return;
		const auto server = server_.lock();
		if (!server)
			return close();
		last_ = last;
		backlog_ += message.size();
		if (streams_ && backlog_ > server->limits.backlog_bytes)
			return close();
		queue_.push_back(frame(message));
		if (queue_.size() == 1)
			write();
	}

	void write()
	{
		const auto server = server_.lock();
		if (!server)
			return close();
		within(server->limits.transfer);
		asio::async_write(socket_, asio::buffer(queue_.front()),
				  [self = shared_from_this()](Code code, std::size_t) {
					  if (code || self->closed_)
						  return self->close();
					  self->written();
				  });
	}

	void written()
	{
		timer_.cancel();
		backlog_ -= queue_.front().size() - header_size;
		queue_.pop_front();
		if (!queue_.empty())
			return write();
		if (last_)
			return close();
		if (!streams_)
			wait_for_request();
	}

	std::weak_ptr<Server::State> server_;
	Socket socket_;
	asio::steady_timer timer_;
	Peer peer_;
	FrameHeader header_{};
	std::string body_;
	std::deque<std::string> queue_;
	std::size_t backlog_ = 0;
	std::uint64_t stream_id_ = 0;
	bool streams_ = false, last_ = false, closed_ = false;
};

void accept(const std::shared_ptr<Server::State>& state);

void admit(const std::shared_ptr<Server::State>& state, Socket socket)
{
	Peer peer;
	try {
		peer = peer_of(socket.native_handle());
	} catch (const Error&) {
		return; // gone already
	}
	const bool reader = state->service.access().of(peer) != Right::change;
	const std::size_t all = state->limits.connections;
	const std::size_t of_readers = all - std::min(all, state->limits.reserved);
	// Who is turned away has a session for as long as it takes to say so; at
	// twice the limit not even that.
	if (state->sessions.size() >= 2 * all)
		return;
	const bool full = state->sessions.size() >= all || (reader && state->readers >= of_readers);
	if (reader)
		state->readers++;
	const auto session = std::make_shared<Session>(state, std::move(socket), std::move(peer), reader);
	state->sessions.insert(session);
	if (full)
		session->turn_away(Service::error_message("overloaded", "too many connections"));
	else
		session->start();
}

void accept(const std::shared_ptr<Server::State>& state)
{
	state->acceptor.async_accept([weak = std::weak_ptr{state}](Code code, Socket socket) {
		const auto server = weak.lock();
		if (!server || code == asio::error::operation_aborted)
			return;
		if (!code) {
			admit(server, std::move(socket));
			return accept(server);
		}
		// No descriptor free, for one: in a moment there may be.
		server->pause.expires_after(std::chrono::milliseconds{100});
		server->pause.async_wait([weak](Code cancelled) {
			const auto again = weak.lock();
			if (again && !cancelled)
				accept(again);
		});
	});
}

} // namespace

Server::Server(asio::io_context& io, Service& service, UniqueFd listening, Limits limits,
	       std::function<void()> handled)
	: state_{std::make_shared<State>(State{io, service, limits, std::move(handled),
					       asio::local::stream_protocol::acceptor{io},
					       asio::steady_timer{io}, {}, 0})}
{
	state_->acceptor.assign(asio::local::stream_protocol{}, listening.get());
	(void)listening.release(); // it is the acceptor's now
	accept(state_);
}

Server::~Server()
{
	Code ignored;
	state_->acceptor.close(ignored);
	state_->pause.cancel();
	while (!state_->sessions.empty()) {
		const auto session = *state_->sessions.begin();
		session->close();
	}
}

void Server::broadcast(const engine::Event& event)
{
	// A session that is cut off leaves the set.
	const auto sessions = state_->sessions;
	for (const auto& session : sessions)
		session->offer(event);
}

std::size_t Server::connections() const noexcept { return state_->sessions.size(); }

void open_to(const std::string& path, gid_t group)
{
	if (chown(path.c_str(), static_cast<uid_t>(-1), group) < 0 || chmod(path.c_str(), 0660) < 0)
		throw Error::from_errno(errno, "open the socket to the group", path);
}

UniqueFd listen_at(const std::string& path, std::optional<gid_t> group)
{
	const char* const context = "listen at";
	sockaddr_un address{};
	if (path.empty() || path.size() >= sizeof(address.sun_path))
		throw Error(Failure::malformed, context, path, "the path has no length that a socket can have");
	address.sun_family = AF_UNIX;
	std::memcpy(address.sun_path, path.c_str(), path.size());

	UniqueFd fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
	if (!fd)
		throw Error::from_errno(errno, context, path);
	struct stat there{};
	if (lstat(path.c_str(), &there) == 0) {
		if (!S_ISSOCK(there.st_mode))
			throw Error(Failure::exists, context, path, "something that is no socket is there");
		// Somebody who answers must not lose his socket.
		const UniqueFd probe{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
		if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
		    errno == EAGAIN)
			throw Error(Failure::busy, context, path, "a daemon listens there already");
		if (unlink(path.c_str()) < 0)
			throw Error::from_errno(errno, context, path);
	}
	// Born closed, then opened for whom it is meant.
	const mode_t mask = umask(0177);
	const int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
	const int error = errno;
	umask(mask);
	if (bound < 0)
		throw Error::from_errno(error, context, path);
	if (group)
		open_to(path, *group);
	if (listen(fd.get(), 64) < 0)
		throw Error::from_errno(errno, context, path);
	return fd;
}

} // namespace snapctl::ipc
