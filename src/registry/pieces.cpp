// SPDX-License-Identifier: Apache-2.0
#include "registry/pieces.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace lade::registry {

namespace {

constexpr std::size_t block = 256 * kib;

} // namespace

Piece* Pieces::next(std::uint64_t factor, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto has_room = [&] {
        return pieces_.empty() || next_ + std::min(length_ * factor, end_ - next_) <= position_ + window_ * length_;
    };
    if (!changed_.wait(lock, stop, [&] { return ended_ || next_ == end_ || has_room(); }))
        throw Error(ErrorKind::cancelled, "interrupted");
    if (ended_ || next_ == end_)
        return nullptr;
    Piece& piece = pieces_.emplace_back();
    piece.first = next_;
    next_ += std::min(length_ * factor, end_ - next_);
    piece.end = next_;
    return &piece;
}

void Pieces::add(Piece& piece, std::span<const std::byte> bytes, const std::stop_token& stop) {
    bool awaited = false;
    {
        std::unique_lock lock(mutex_);
        // The one that all wait for always has room, or nobody would ever give any.
        const auto may_add = [&] {
            return ended_ || held_ < room_ || (&piece == &pieces_.front() && piece.blocks.empty());
        };
        if (!changed_.wait(lock, stop, may_add))
            throw Error(ErrorKind::cancelled, "interrupted");
        awaited = &piece == &pieces_.front();
        if (piece.blocks.empty() || piece.blocks.back().size() + bytes.size() > block)
            piece.blocks.emplace_back();
        piece.blocks.back().insert(piece.blocks.back().end(), bytes.begin(), bytes.end());
        piece.first += bytes.size();
        held_ += bytes.size();
    }
    if (awaited)
        changed_.notify_all();
}

void Pieces::finish(Piece& piece) {
    {
        const std::scoped_lock lock(mutex_);
        piece.done = true;
    }
    changed_.notify_all();
}

void Pieces::end(std::exception_ptr error) noexcept {
    {
        const std::scoped_lock lock(mutex_);
        if (!ended_)
            error_ = std::move(error);
        ended_ = true;
    }
    changed_.notify_all();
}

std::vector<std::byte> Pieces::take(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
        const auto ready = [&] {
            return pieces_.empty() ? ended_ || next_ == end_
                                   : !pieces_.front().blocks.empty() || pieces_.front().done || ended_;
        };
        if (!changed_.wait(lock, stop, ready))
            throw Error(ErrorKind::cancelled, "interrupted");
        if (!pieces_.empty() && !pieces_.front().blocks.empty()) {
            std::vector<std::byte> bytes = std::move(pieces_.front().blocks.front());
            pieces_.front().blocks.pop_front();
            position_ += bytes.size();
            held_ -= bytes.size();
            changed_.notify_all();
            return bytes;
        }
        if (!pieces_.empty() && pieces_.front().done) {
            pieces_.pop_front();
            changed_.notify_all();
            continue;
        }
        if (error_)
            std::rethrow_exception(error_);
        return {};
    }
}

std::uint64_t Pieces::position() const {
    const std::scoped_lock lock(mutex_);
    return position_;
}

bool Pieces::any_left() const {
    const std::scoped_lock lock(mutex_);
    return !ended_ && next_ != end_;
}

} // namespace lade::registry
