// SPDX-License-Identifier: Apache-2.0
#include "registry/referrers.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/referrers.hpp"
#include "registry/blob_request.hpp"
#include "registry/document_receiver.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

constexpr int max_pages = 1000;

struct Document {
    Channel::Answer answer;
    std::string text; // of a reply that is ok
};

Document get_index(Channel& channel, const std::string& path, Attempts attempts, const std::stop_token& stop) {
    DocumentReceiver receiver(path.substr(0, path.find('?')));
    const Channel::Ask ask{.method = "GET", .path = path, .headers = {cat("Accept: ", oci::media_type::oci_index)}};
    Channel::Answer answer = with_retries(
        attempts, stop, [&] { return channel.send(ask, receiver, stop); }, [] { return 0U; });
    std::string text = answer.response.ok() ? receiver.take() : "";
    return {.answer = std::move(answer), .text = std::move(text)};
}

// Servers that know nothing of the API answer with 404, some of them in other words, or with a page for people.
bool lacks_api(const Response& response) {
    return response.status == 404 || response.status == 405 || response.status == 501 ||
           (response.ok() && media_type_of(response) != oci::media_type::oci_index);
}

// Whether what stands in quotes or by itself, one word or several, has the word "next".
bool says_next(std::string_view relation) {
    if (relation.size() >= 2 && relation.starts_with('"') && relation.ends_with('"'))
        relation = relation.substr(1, relation.size() - 2);
    const std::vector<std::string> words = split(lower(relation), ' ');
    return std::ranges::find(words, "next") != words.end();
}

// Up to the first `end` outside of quotes, which is taken away as well.
std::string_view take_until(std::string_view& text, char end) {
    bool quoted = false;
    std::size_t at = 0;
    for (; at < text.size() && (quoted || text[at] != end); ++at)
        if (text[at] == '"')
            quoted = !quoted;
    const std::string_view taken = text.substr(0, at);
    text.remove_prefix(std::min(at + 1, text.size()));
    return taken;
}

// The list of one subject, page by page.
class Listing {
public:
    Listing(Channel& channel, const std::string& artifact_type, Attempts attempts, const std::stop_token& stop)
        : channel_(channel), artifact_type_(artifact_type), attempts_(attempts), stop_(stop) {}

    // False when the host has no such API.
    bool read_api(const oci::Digest& subject) {
        const std::string resource = cat("referrers/", subject);
        std::string path = resource;
        if (!artifact_type_.empty())
            path += cat("?artifactType=", percent_encode(artifact_type_));
        for (int page = 0; page < max_pages; ++page) {
            const auto [answer, text] = get_index(channel_, path, attempts_, stop_);
            if (page == 0 && lacks_api(answer.response))
                return false;
            if (!answer.response.ok())
                throw_status(answer.request, answer.response, answer.denied);
            const std::string applied = lower(answer.response.find("oci-filters-applied").value_or(""));
            add(text, describe(answer.request), applied.find("artifacttype") != std::string::npos);
            const auto next = next_page(answer.response);
            if (!next)
                return true;
            path = next_path(answer, resource, *next);
        }
        throw Error(ErrorKind::resource_exhausted, resource, ": more than ", max_pages, " pages");
    }

    void add(std::string_view text, const std::string& what, bool filtered) {
        for (oci::Descriptor& one : oci::parse_index(text, oci::media_type::oci_index, what).manifests) {
            // A server that filters may leave the type out; no other one is believed.
            const bool wanted = artifact_type_.empty() || one.artifact_type == artifact_type_ ||
                                (filtered && one.artifact_type.empty());
            if (!wanted || !seen_.insert(one.digest).second)
                continue;
            if (found_.size() == max_referrers)
                throw Error(ErrorKind::resource_exhausted, what, ": more than ", max_referrers, " referrers");
            found_.push_back(std::move(one));
        }
    }

    std::vector<oci::Descriptor> take() { return std::move(found_); }

private:
    // Below the same repository's same list, on the same host: a link must not send our credentials elsewhere, nor ask
    // for something else with them.
    static std::string next_path(const Channel::Answer& answer, const std::string& resource, const std::string& link) {
        const Url& here = answer.request.url;
        const std::size_t start = here.target.find(resource);
        const auto next = here.resolve(link);
        if (!next || !next->same_origin(here) || start == std::string::npos ||
            !next->target.starts_with(here.target.substr(0, start) + resource))
            throw Error(ErrorKind::failed_precondition, describe(answer.request),
                        ": the next page is not of the same list: ", next ? next->shown() : "no usable place");
        return without_namespace(next->target.substr(start));
    }

    // The channel says of each request whose registry is meant.
    static std::string without_namespace(const std::string& path) {
        const std::size_t query = path.find('?');
        if (query == std::string::npos)
            return path;
        std::vector<std::string> kept = split(std::string_view(path).substr(query + 1), '&');
        std::erase_if(kept, [](const std::string& part) { return part.starts_with("ns="); });
        return kept.empty() ? path.substr(0, query) : cat(path.substr(0, query), '?', join(kept, "&"));
    }

    Channel& channel_;
    const std::string& artifact_type_;
    const Attempts attempts_;
    const std::stop_token& stop_;
    std::vector<oci::Descriptor> found_;
    std::set<oci::Digest> seen_;
};

} // namespace

std::optional<std::string> next_page(const Response& response) {
    for (const std::string& value : response.all("link")) {
        std::string_view rest = value;
        while (!trim(rest).empty()) {
            rest = trim(rest);
            if (!rest.starts_with('<') || rest.find('>') == std::string_view::npos)
                break;
            const std::string url(rest.substr(1, rest.find('>') - 1));
            rest.remove_prefix(rest.find('>') + 1);
            std::string_view parameters = take_until(rest, ',');
            while (!parameters.empty()) {
                const std::string_view parameter = trim(take_until(parameters, ';'));
                const std::size_t equals = parameter.find('=');
                if (equals != std::string_view::npos && lower(trim(parameter.substr(0, equals))) == "rel" &&
                    says_next(trim(parameter.substr(equals + 1))))
                    return url;
            }
        }
    }
    return std::nullopt;
}

std::optional<TagIndex> find_referrers_index(Channel& channel, const oci::Digest& subject, Attempts attempts,
                                             const std::stop_token& stop) {
    auto [answer, text] = get_index(channel, cat("manifests/", oci::referrers_tag(subject)), attempts, stop);
    if (answer.response.status == 404)
        return std::nullopt;
    if (!answer.response.ok())
        throw_status(answer.request, answer.response, answer.denied);
    return TagIndex{.text = std::move(text), .etag = strong_etag(answer.response)};
}

std::vector<oci::Descriptor> find_referrers(Channel& channel, const oci::Digest& subject,
                                            const std::string& artifact_type, Attempts attempts,
                                            const std::stop_token& stop) {
    Listing listing(channel, artifact_type, attempts, stop);
    if (!listing.read_api(subject))
        if (const auto index = find_referrers_index(channel, subject, attempts, stop))
            listing.add(index->text, cat(channel.host().base.authority(), ": tag ", oci::referrers_tag(subject)),
                        false);
    std::vector<oci::Descriptor> found = listing.take();
    if (found.empty())
        throw Error(ErrorKind::not_found, channel.host().base.authority(), " has no referrers of ", subject);
    return found;
}

} // namespace lade::registry
