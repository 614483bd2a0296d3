// SPDX-License-Identifier: Apache-2.0
#include "registry/ranged_fetch.hpp"

#include <algorithm>
#include <exception>
#include <vector>

#include "base/error.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"

namespace lade::registry {

namespace {

constexpr std::uint64_t worthwhile_size = 32 * mib;
constexpr std::chrono::milliseconds worthwhile_round_trip{20};
// A connection that is alone loses a round trip with each request, and has nobody to keep order with.
constexpr std::uint64_t pieces_at_once_alone = 4;

class RangedFetch {
public:
    RangedFetch(const Asking& asking, const Chunks& chunks, Spare& spare, const oci::Descriptor& descriptor,
                std::uint64_t offset, Sink& sink, const std::stop_token& stop)
        : asking_(asking),
          at_once_(chunks.at_once),
          spare_(spare),
          descriptor_(descriptor),
          sink_(sink),
          stop_(stop),
          first_(offset, descriptor.size, sink, offset + chunks.size),
          // Whoever is done early goes on while the slowest still fetches.
          pieces_(offset + chunks.size, descriptor.size, chunks.size, 2 * std::size_t{chunks.at_once}) {}

    bool run(std::uint64_t& position, Failures& failures) {
        // The first range tells whether there are more to be had. Its bytes go where they belong without a detour, and
        // when it is the whole blob that comes, it is the whole blob that is taken.
        tasks_.emplace(stop_);
        first_.watch([this](BlobReceiver::Reply reply) {
            if (reply == BlobReceiver::Reply::exact) {
                if (workers_ == 0) {
                    known_ = validator_;
                    recruit(at_once_ - 1);
                }
            } else {
                pieces_.end(nullptr);
                tasks_.reset();
                tasks_.emplace(stop_);
                is_ranged_ = false;
            }
        });
        const bool found = fetch_from_any(asking_, descriptor_, first_, validator_, failures, stop_);
        position = first_.position();
        if (!found || !is_ranged_)
            return found;
        first_is_done_ = true;
        start_worker(false);
        for (;;) {
            recruit(at_once_);
            const std::vector<std::byte> bytes = pieces_.take(stop_);
            position = pieces_.position();
            if (bytes.empty())
                return true;
            sink_.write(bytes);
        }
    }

private:
    bool fetch(Piece& piece, const std::stop_token& stop) {
        Failures failures;
        const auto ask = [&](Channel& channel, Attempts attempts) {
            fetch_from(channel, descriptor_, pieces_, piece, known_, asking_.senders, attempts, stop);
            return true;
        };
        return asking_.hosts.first(asking_.needs, asking_.retries, failures, ask, asking_.rejected(descriptor_.digest))
            .has_value();
    }

    void recruit(unsigned wanted) {
        while (workers_ < wanted && pieces_.any_left() && spare_.try_take())
            start_worker(true);
    }

    void start_worker(bool is_spare) {
        ++workers_;
        tasks_->start([this, is_spare](const std::stop_token& stop) {
            work(stop);
            --workers_;
            if (is_spare)
                spare_.give_back();
        });
    }

    void work(const std::stop_token& stop) noexcept {
        try {
            while (Piece* const piece =
                       pieces_.next(first_is_done_ && workers_ == 1 ? pieces_at_once_alone : 1, stop)) {
                // No ranges, or not so many at once, is no reason to do without the blob.
                if (!fetch(*piece, stop)) {
                    pieces_.end(nullptr);
                    return;
                }
                pieces_.finish(*piece);
            }
        } catch (...) {
            pieces_.end(std::current_exception());
        }
    }

    const Asking& asking_;
    const unsigned at_once_;
    Spare& spare_;
    const oci::Descriptor& descriptor_;
    Sink& sink_;
    const std::stop_token& stop_;
    BlobReceiver first_;
    Pieces pieces_;
    Validator validator_;
    Validator known_; // what it was when the first worker began
    bool is_ranged_ = true;
    std::atomic<bool> first_is_done_ = false;
    std::atomic<unsigned> workers_ = 0;
    std::optional<TaskGroup> tasks_; // last: it ends before what its tasks use
};

} // namespace

bool ranges_pay(const Chunks& chunks, std::uint64_t rest, std::optional<std::chrono::microseconds> round_trip,
                bool local) {
    if (chunks.at_once < 2 || rest <= chunks.size)
        return false;
    return chunks.always || (!local && rest >= worthwhile_size && round_trip && *round_trip >= worthwhile_round_trip);
}

bool Spare::try_take() noexcept {
    unsigned free = free_;
    while (free > 0)
        if (free_.compare_exchange_weak(free, free - 1))
            return true;
    return false;
}

bool fetch_in_ranges(const Asking& asking, const Chunks& chunks, Spare& spare, const oci::Descriptor& descriptor,
                     std::uint64_t& position, Sink& sink, Failures& failures, const std::stop_token& stop) {
    return RangedFetch(asking, chunks, spare, descriptor, position, sink, stop).run(position, failures);
}

} // namespace lade::registry
