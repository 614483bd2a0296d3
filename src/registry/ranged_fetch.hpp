// SPDX-License-Identifier: Apache-2.0
// A large blob in closed ranges by several requests at once, where one connection alone cannot have the line's
// throughput (registry-and-unpack.md 2.5).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "base/stream.hpp"
#include "oci/manifest.hpp"
#include "registry/blob_request.hpp"
#include "registry/repository.hpp"
#include "registry/senders.hpp"
#include "registry/walk.hpp"

namespace lade::registry {

// Whether to do it for `rest` bytes of a blob: always if told so, else where a round trip takes long (20 ms; nullopt:
// not known) and there is enough to fetch (32 MiB). `local`: the host is this machine.
bool ranges_pay(const Chunks& chunks, std::uint64_t rest, std::optional<std::chrono::microseconds> round_trip,
                bool local);

// The requests that the fetches of a repository may make beyond one each.
class Spare {
public:
    explicit Spare(unsigned count) : free_(count) {}
    bool try_take() noexcept;
    void give_back() noexcept { ++free_; }

private:
    std::atomic<unsigned> free_;
};

// Sends the bytes from `position` on to `sink`, in order, and moves it to where it stopped: the end, or before it when
// no host does ranges as it should, or not so many at once; what is missing is then to be fetched as one body. There
// are more bytes than one chunk has. Each request that fails is tried again by itself, on the same host and then on the
// next. False when no host has it: see `failures`.
bool fetch_in_ranges(const Asking& asking, const Chunks& chunks, Spare& spare, const oci::Descriptor& descriptor,
                     std::uint64_t& position, Sink& sink, Failures& failures, const std::stop_token& stop);

} // namespace lade::registry
