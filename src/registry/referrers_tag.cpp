// SPDX-License-Identifier: Apache-2.0
#include "registry/referrers_tag.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/referrers.hpp"
#include "registry/referrers.hpp"
#include "registry/resolve.hpp"
#include "registry/status.hpp"
#include "registry/text_sender.hpp"

namespace lade::registry {

namespace {

// Each round somebody's entry stays, so that of so many that begin together all get theirs in.
constexpr unsigned max_rounds = 8;
constexpr int precondition_failed = 412;

// False: the tag is not what it was any more.
bool put_index(Channel& channel, const std::string& tag, std::string_view text, const std::string& if_match,
               Attempts attempts, const std::stop_token& stop) {
    TextSender body(text);
    Channel::Ask ask{.method = "PUT",
                     .path = cat("manifests/", tag),
                     .headers = {cat("Content-Type: ", oci::media_type::oci_index)},
                     .sender = &body};
    if (!if_match.empty())
        ask.headers.push_back(cat("If-Match: ", if_match));
    NoReceiver nothing;
    const Channel::Answer answer = with_retries(
        attempts, stop, [&] { return channel.send(ask, nothing, stop); }, [] { return 0U; });
    if (answer.response.status == precondition_failed && !if_match.empty())
        return false;
    if (!answer.response.ok())
        throw_status(answer.request, answer.response, answer.denied);
    check_told_digest(answer.request, answer.response, oci::Digest::of(text));
    return true;
}

} // namespace

void list_in_tag(Channel& channel, const oci::Digest& subject, const oci::Descriptor& referrer, Attempts attempts,
                 const std::stop_token& stop) {
    const std::string tag = oci::referrers_tag(subject);
    doing([&] { return cat("tag ", tag); },
          [&] {
              std::string refused; // the entity tag of an If-Match that was
              for (unsigned round = 0; round <= max_rounds; ++round) {
                  const std::optional<TagIndex> index = find_referrers_index(channel, subject, attempts, stop);
                  const auto changed =
                      oci::add_to_referrers(index ? std::optional(index->text) : std::nullopt, referrer);
                  if (!changed)
                      return;
                  if (round > 0)
                      pause_jittered(std::min(round - 1, 2U), stop);
                  // One that is refused and has not changed means nothing to whoever refuses it.
                  const std::string etag = index && index->etag != refused ? index->etag : "";
                  if (!put_index(channel, tag, *changed, etag, attempts, stop))
                      refused = etag;
              }
              throw Error(ErrorKind::unavailable, referrer.digest,
                          " does not stay in the list: others change it at the same time");
          });
}

} // namespace lade::registry
