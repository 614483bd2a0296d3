// SPDX-License-Identifier: Apache-2.0
#include "registry/blob_request.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

bool is_manifest_resource(std::string_view type) {
    return oci::media_type::is_document(type) || oci::media_type::is_schema1(type);
}

std::string resource_of(const oci::Descriptor& descriptor) {
    return cat(is_manifest_resource(descriptor.media_type) ? "manifests/" : "blobs/", descriptor.digest);
}

// The media type comes from a stranger's document; what is no plain text stays out of the request.
std::string accept(const std::string& media_type) {
    const bool plain = !media_type.empty() && media_type.size() < 256 &&
                       std::ranges::all_of(media_type, [](char c) { return c > ' ' && c <= '~' && c != ','; });
    return plain ? cat("Accept: ", media_type, ", */*") : "Accept: */*";
}

// A document must be the same thing in the header as in the descriptor (safety.md 3.3). Types that are none of a
// document say nothing: some servers know only files.
void check_kind(const oci::Descriptor& descriptor, const Request& request, const Response& response) {
    const std::string header = response.find("content-type").value_or("");
    const std::string type(trim(std::string_view(header).substr(0, header.find(';'))));
    if (is_manifest_resource(descriptor.media_type) && is_manifest_resource(type) && type != descriptor.media_type)
        throw Error(ErrorKind::data_loss, describe(request), ": the registry calls it ", printable(type),
                    ", the descriptor says ", printable(descriptor.media_type));
}

// Looks at the head of a reply before and after another receiver has.
class Watched final : public Receiver {
public:
    using Look = std::function<void(const Response&)>;

    Watched(Receiver& inner, Look before, Look after)
        : inner_(inner), before_(std::move(before)), after_(std::move(after)) {}
    void begin(const Response& head) override {
        before_(head);
        inner_.begin(head);
        after_(head);
    }
    void write(std::span<const std::byte> bytes) override { inner_.write(bytes); }

private:
    Receiver& inner_;
    Look before_;
    Look after_;
};

class PieceReceiver final : public Receiver {
public:
    PieceReceiver(Pieces& pieces, Piece& piece, std::uint64_t size, const std::stop_token& stop)
        : pieces_(pieces), piece_(piece), size_(size), stop_(stop) {}
    void begin(const Response& head) override {
        if (!is_exactly(head, piece_.first, piece_.end, size_))
            throw BadRange("the registry does not send bytes ", piece_.first, " to ", piece_.end - 1, " of ", size_);
    }
    void write(std::span<const std::byte> bytes) override {
        if (bytes.size() > piece_.end - piece_.first)
            throw BadRange("the registry sends more than what was asked for");
        pieces_.add(piece_, bytes, stop_);
    }

private:
    Pieces& pieces_;
    Piece& piece_;
    std::uint64_t size_;
    const std::stop_token& stop_;
};

Channel::Answer ask(Channel& channel, const oci::Descriptor& descriptor, const std::string& range,
                    const Validator& validator, Receiver& receiver, const std::stop_token& stop) {
    Channel::Ask wanted{.method = "GET", .path = resource_of(descriptor), .headers = {accept(descriptor.media_type)}};
    if (!range.empty()) {
        wanted.headers.push_back(range);
        if (validator.channel == &channel && !validator.etag.empty())
            wanted.headers.push_back("If-Range: " + validator.etag);
    }
    Channel::Answer answer = channel.send(wanted, receiver, stop);
    if (answer.response.status == 416 && !range.empty())
        throw BadRange(describe(answer.request), ": ", status_text(answer.response.status), " of ", descriptor.size,
                       " bytes: ", range);
    if (!answer.response.ok())
        throw_status(answer.request, answer.response, answer.denied);
    check_kind(descriptor, answer.request, answer.response);
    return answer;
}

// False when both say what they are and it is not the same.
bool may_be_same(const Validator& validator, const Channel& channel, const Response& head) {
    const std::string etag = strong_etag(head);
    return validator.channel != &channel || validator.etag.empty() || etag.empty() || etag == validator.etag;
}

} // namespace

std::string strong_etag(const Response& head) {
    std::string etag(trim(head.find("etag").value_or("")));
    const bool strong = etag.size() > 2 && etag.size() < 1024 && etag.front() == '"' && etag.back() == '"' &&
                        std::ranges::all_of(etag, [](char c) { return c > ' ' && c <= '~'; });
    return strong ? etag : "";
}

void fetch_from(Channel& channel, const oci::Descriptor& descriptor, BlobReceiver& receiver, Validator& validator,
                Senders& senders, Attempts attempts, const std::stop_token& stop) {
    bool changed = false;
    Watched watched(
        receiver,
        [&](const Response& head) {
            changed = !may_be_same(validator, channel, head);
            if (validator.channel != &channel)
                validator = {.channel = &channel, .etag = strong_etag(head)};
        },
        [&](const Response&) { senders.note(descriptor.digest, channel, changed); });
    bool ranges = true;
    const auto ask_for_rest = [&] {
        const std::string range = ranges ? receiver.range() : "";
        try {
            return ask(channel, descriptor, range, validator, watched, stop);
        } catch (const BadRange&) {
            if (range.empty())
                throw;
        }
        ranges = false;
        return ask(channel, descriptor, "", validator, watched, stop);
    };
    const auto attempt = [&] {
        while (!receiver.done()) {
            const std::uint64_t before = receiver.position();
            const Channel::Answer answer = ask_for_rest();
            // Some give no more than so much at a time.
            if (!receiver.done() && (answer.response.status != 206 || receiver.position() == before))
                throw Transient(describe(answer.request), ": the body ended after ", receiver.position(), " of ",
                                descriptor.size, " bytes");
        }
    };
    with_retries(attempts, stop, attempt, [&] { return receiver.position(); });
}

bool fetch_from_any(const Asking& asking, const oci::Descriptor& descriptor, BlobReceiver& receiver,
                    Validator& validator, Failures& failures, const std::stop_token& stop) {
    const auto done = asking.hosts.first(
        asking.needs, asking.retries, failures,
        [&](Channel& channel, Attempts attempts) {
            try {
                fetch_from(channel, descriptor, receiver, validator, asking.senders, attempts, stop);
            } catch (const Error&) {
                if (!receiver.sink_failure())
                    throw;
            }
            return true;
        },
        asking.rejected(descriptor.digest));
    if (receiver.sink_failure())
        std::rethrow_exception(receiver.sink_failure());
    return done.has_value();
}

void fetch_from(Channel& channel, const oci::Descriptor& descriptor, Pieces& pieces, Piece& piece,
                const Validator& validator, Senders& senders, Attempts attempts, const std::stop_token& stop) {
    PieceReceiver receiver(pieces, piece, descriptor.size, stop);
    Watched watched(
        receiver,
        [&](const Response& head) {
            if (!may_be_same(validator, channel, head))
                throw BadRange("the registry's content has changed meanwhile");
        },
        [&](const Response&) { senders.note(descriptor.digest, channel, false); });
    const auto attempt = [&] {
        if (piece.first == piece.end)
            return;
        const Channel::Answer answer =
            ask(channel, descriptor, range_header(piece.first, piece.end), validator, watched, stop);
        if (piece.first < piece.end)
            throw Transient(describe(answer.request), ": the body ended before byte ", piece.end);
    };
    with_retries(attempts, stop, attempt, [&] { return piece.first; });
}

} // namespace lade::registry
