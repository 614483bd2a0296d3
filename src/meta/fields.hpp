// SPDX-License-Identifier: Apache-2.0
// What filters call the fields of each object (containerd-store.md 5.3), and beyond it the sizes and times that people
// ask for. An adaptor refers to its object and must not outlive it.
#pragma once

#include <functional>
#include <vector>

#include "base/filter.hpp"
#include "meta/containers.hpp"
#include "meta/content.hpp"
#include "meta/events.hpp"
#include "meta/images.hpp"
#include "meta/leases.hpp"
#include "meta/namespaces.hpp"
#include "meta/snapshots.hpp"

namespace lade::meta {

// `summary` gives what the documents of the image say, asked only for `size` and `id`: nullptr when they do not say it.
Adaptor fields(const Image& image, std::function<const Summary*()> summary);
Adaptor fields(const Blob& blob);
Adaptor fields(const Snapshot& snapshot);
Adaptor fields(const Lease& lease);
Adaptor fields(const Namespace& name_space);
Adaptor fields(const Container& container);
// `event.<field>` are those of the payload.
Adaptor fields(const Event& event);

// The fields of all of these, and of ingests, that have an order: size, created, updated, time, offset, total, started.
const std::vector<OrderedField>& ordered_fields();

} // namespace lade::meta
