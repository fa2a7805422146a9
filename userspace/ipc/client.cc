// SPDX-License-Identifier: GPL-2.0-or-later
#include "ipc/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <nlohmann/json.hpp>

#include "ipc/convert.h"
#include "ipc/frame.h"

namespace snapctl::ipc {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds question_limit{60};
// A change may format, copy and wait for a volume group.
constexpr seconds change_limit{600};

// Waits until the socket is ready; false when the time is over or, if `may_give_up`,
// a signal came in.
bool ready(int fd, short events, steady_clock::time_point deadline, bool may_give_up)
{
	for (;;) {
		const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
		pollfd entry{fd, events, 0};
		const int count =
			poll(&entry, 1, static_cast<int>(std::clamp<long long>(left.count(), 0, 1 << 30)));
		if (count > 0)
			return true;
		if (count == 0)
			return false;
		if (errno != EINTR)
			throw Error::from_errno(errno, "wait for", "the daemon");
		if (may_give_up)
			return false;
	}
}

template <class T> std::vector<T> list_from(const Json& result, const char* key)
{
	std::vector<T> values;
	for (const Json& each : result.at(key))
		values.push_back(from_json<T>(each));
	return values;
}

} // namespace

Client::Client(std::string path) : path_{std::move(path)} {}

void Client::lost(const std::string& reason)
{
	socket_.reset();
	throw Unreachable(Failure::failed, "speak to the daemon at", path_, reason);
}

void Client::connect()
{
	if (socket_)
		return;
	buffer_.clear();
	sockaddr_un address{};
	if (path_.size() >= sizeof(address.sun_path))
		lost("the path is too long for a socket");
	address.sun_family = AF_UNIX;
	std::memcpy(address.sun_path, path_.c_str(), path_.size());
	socket_ = UniqueFd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	if (!socket_ ||
	    ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0) {
		const int error = errno;
		socket_.reset();
		const char* advice = "";
		if (error == ENOENT || error == ECONNREFUSED)
			advice = "Is it running? `systemctl start snapctl.socket`, or `snapctl daemon`.";
		else if (error == EACCES)
			advice = "Only root may, and members of read_group in the configuration.";
		throw Unreachable(std::error_code{error, std::generic_category()}, "reach the daemon at",
				  path_, std::strerror(error), advice);
	}
}

void Client::send_all(const std::string& bytes, steady_clock::time_point deadline)
{
	std::size_t done = 0;
	while (done < bytes.size()) {
		if (!ready(socket_.get(), POLLOUT, deadline, false))
			lost("it does not take the request");
		const ssize_t n = send(socket_.get(), bytes.data() + done, bytes.size() - done,
				       MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			done += static_cast<std::size_t>(n);
		else if (errno == EPIPE || errno == ECONNRESET)
			return; // it may have said why before it hung up
		else if (errno != EAGAIN && errno != EINTR)
			lost(std::strerror(errno));
	}
}

// Adds what is there to the buffer; false when the time is over.
bool Client::receive_some(steady_clock::time_point deadline, bool may_give_up)
{
	if (!ready(socket_.get(), POLLIN, deadline, may_give_up))
		return false;
	std::array<char, 16 * 1024> bytes;
	const ssize_t n = recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
	if (n == 0)
		lost("it hung up");
	if (n > 0)
		buffer_.append(bytes.data(), static_cast<std::size_t>(n));
	else if (errno != EAGAIN && errno != EINTR)
		lost(std::strerror(errno));
	return true;
}

std::optional<std::string> Client::receive(steady_clock::time_point deadline, bool may_give_up)
{
	for (;;) {
		if (buffer_.size() >= header_size) {
			FrameHeader header{};
			std::copy_n(buffer_.begin(), header_size, header.begin());
			const std::size_t length = parse_header(header);
			if (length == 0 || length > max_reply)
				lost("its answer makes no sense");
			if (buffer_.size() >= header_size + length) {
				std::string message = buffer_.substr(header_size, length);
				buffer_.erase(0, header_size + length);
				return message;
			}
		}
		if (!receive_some(deadline, may_give_up))
			return std::nullopt;
	}
}

Json Client::exchange(const char* method, const Json& parameters, milliseconds limit)
{
	connect();
	const auto deadline = steady_clock::now() + limit;
	const Json request{{"v", protocol_version},
			   {"id", ++id_},
			   {"method", method},
			   {"params", parameters}};
	const std::string message = dump(request);
	if (message.size() > max_request)
		throw Declined("too_large", "the request is too large", "");
	send_all(frame(message), deadline);
	const auto answer = receive(deadline, false);
	if (!answer)
		lost("no answer in " + std::to_string(std::chrono::duration_cast<seconds>(limit).count()) + " s");
	try {
		const Json reply = Json::parse(*answer);
		if (const auto error = reply.find("error"); error != reply.end())
			throw Declined(error->at("code").get<std::string>(), error->at("message").get<std::string>(),
				       error->value("advice", ""));
		if (reply.at("id") != id_)
			lost("its answer is to another request");
		return reply.at("result");
	} catch (const Json::exception&) {
		lost("its answer makes no sense");
	}
}

namespace {

// The conversion of a result; what cannot be converted comes from no daemon of ours.
template <class F> auto converted(const std::string& path, const Json& result, F convert)
{
	try {
		return convert(result);
	} catch (const std::exception& error) {
		if (dynamic_cast<const Malformed*>(&error) || dynamic_cast<const Json::exception*>(&error))
			throw Unreachable(Failure::malformed, "speak to the daemon at", path,
					  std::string{"its answer makes no sense: "} + error.what());
		throw;
	}
}

} // namespace

Hello Client::hello()
{
	return converted(path_, exchange("hello", Json::object(), question_limit), [](const Json& r) {
		return Hello{r.at("version").get<std::string>(), r.at("engine").get<std::string>(),
			     r.at("pid").get<std::uint64_t>()};
	});
}

std::vector<engine::OriginState> Client::origins()
{
	return converted(path_, exchange("origins", Json::object(), question_limit),
			 [](const Json& r) { return list_from<engine::OriginState>(r, "origins"); });
}

std::vector<engine::SnapshotState> Client::snapshots()
{
	return converted(path_, exchange("snapshots", Json::object(), question_limit),
			 [](const Json& r) { return list_from<engine::SnapshotState>(r, "snapshots"); });
}

std::vector<engine::Finding> Client::doctor()
{
	return converted(path_, exchange("doctor", Json::object(), question_limit),
			 [](const Json& r) { return list_from<engine::Finding>(r, "findings"); });
}

std::vector<engine::Counters> Client::counters()
{
	return converted(path_, exchange("counters", Json::object(), question_limit),
			 [](const Json& r) { return list_from<engine::Counters>(r, "counters"); });
}

std::string Client::metrics()
{
	return converted(path_, exchange("metrics", Json::object(), question_limit),
			 [](const Json& r) { return r.at("text").get<std::string>(); });
}

std::vector<std::string> Client::table(const std::string& name)
{
	return converted(path_, exchange("table", Json{{"name", name}}, question_limit),
			 [](const Json& r) { return r.at("lines").get<std::vector<std::string>>(); });
}

std::vector<engine::Step> Client::plan(const engine::Change& change)
{
	return converted(path_, exchange("plan", Json{{"change", to_json(change)}}, question_limit),
			 [](const Json& r) { return from_json<std::vector<engine::Step>>(r.at("steps")); });
}

engine::Outcome Client::apply(const engine::Change& change)
{
	return converted(path_, exchange("apply", Json{{"change", to_json(change)}}, change_limit),
			 [](const Json& r) { return from_json<engine::Outcome>(r.at("outcome")); });
}

engine::ActivationPlan Client::plan_activate_all()
{
	return converted(path_, exchange("plan_activate_all", Json::object(), question_limit), [](const Json& r) {
		return engine::ActivationPlan{from_json<std::vector<engine::Step>>(r.at("steps")),
					      list_from<engine::Finding>(r, "findings")};
	});
}

std::vector<engine::Finding> Client::activate_all()
{
	return converted(path_, exchange("activate_all", Json::object(), change_limit),
			 [](const Json& r) { return list_from<engine::Finding>(r, "findings"); });
}

void Client::watch()
{
	(void)exchange("watch", Json::object(), question_limit);
}

std::optional<engine::Event> Client::next_event(milliseconds limit)
{
	if (!socket_)
		lost("it hung up");
	const auto message = receive(steady_clock::now() + limit, true);
	if (!message)
		return std::nullopt;
	return converted(path_, *message, [](const Json& text) {
		return from_json<engine::Event>(Json::parse(text.get<std::string>()).at("event"));
	});
}

} // namespace snapctl::ipc
