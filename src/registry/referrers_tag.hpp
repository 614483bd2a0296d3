// SPDX-License-Identifier: Apache-2.0
// Where a registry without the referrers API has what refers to some content: the index of a tag, which every client
// that pushes such a thing has to keep (registry-and-unpack.md 2.12). Nobody can lock it.
#pragma once

#include <stop_token>

#include "oci/manifest.hpp"
#include "registry/channel.hpp"
#include "registry/retry.hpp"

namespace lade::registry {

// Lists `referrer`, described as it is to be listed, among those of `subject`; what is listed already stays. The tag is
// changed only from what was read of it where the registry can promise that (If-Match), and read again afterwards: an
// entry that another client has overwritten meanwhile is put in once more, a few times. unavailable: it did not stay.
// invalid_argument: the tag is no index. Else as Pusher::put_document().
void list_in_tag(Channel& channel, const oci::Digest& subject, const oci::Descriptor& referrer, Attempts attempts,
                 const std::stop_token& stop);

} // namespace lade::registry
