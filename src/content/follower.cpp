// SPDX-License-Identifier: Apache-2.0
#include "content/follower.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"

namespace lade::content {

void Tail::advance(std::uint64_t written) {
    {
        const std::scoped_lock lock(mutex_);
        written_ = written;
    }
    changed_.notify_all();
}

void Tail::verified() {
    {
        const std::scoped_lock lock(mutex_);
        state_ = State::verified;
    }
    changed_.notify_all();
}

void Tail::failed() {
    {
        const std::scoped_lock lock(mutex_);
        if (state_ == State::writing)
            state_ = State::failed;
    }
    changed_.notify_all();
}

std::uint64_t Tail::wait(std::uint64_t position, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const bool ready = changed_.wait(lock, stop, [&] { return written_ > position || state_ != State::writing; });
    if (!ready || state_ == State::failed)
        throw Error(ErrorKind::cancelled, "the download ended early");
    return written_;
}

std::size_t Follower::read(std::span<std::byte> into) {
    if (position_ == available_)
        available_ = tail_->wait(position_, stop_);
    const auto wanted = std::min<std::uint64_t>(into.size(), available_ - position_);
    if (wanted == 0)
        return 0;
    const std::size_t n = read_some_at(data_.get(), into.first(static_cast<std::size_t>(wanted)), position_, "ingest");
    if (n == 0) {
        tail_->wait(0, stop_); // a writer that gave up says so
        throw Error(ErrorKind::data_loss, "ingest: shorter than what was written");
    }
    position_ += n;
    return n;
}

} // namespace lade::content
