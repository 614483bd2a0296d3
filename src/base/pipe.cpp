// SPDX-License-Identifier: Apache-2.0
#include "base/pipe.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace lade {

void Pipe::write(std::span<const std::byte> bytes, const std::stop_token& stop) {
    while (!bytes.empty()) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return filled_ < ring_.size(); }))
            throw Error(ErrorKind::cancelled, "interrupted");
        const std::size_t at = (begin_ + filled_) % ring_.size();
        const std::size_t n = std::min({bytes.size(), ring_.size() - filled_, ring_.size() - at});
        std::copy_n(bytes.begin(), n, ring_.begin() + static_cast<std::ptrdiff_t>(at));
        filled_ += n;
        bytes = bytes.subspan(n);
        lock.unlock();
        changed_.notify_all();
    }
}

void Pipe::close() {
    {
        const std::scoped_lock lock(mutex_);
        closed_ = true;
    }
    changed_.notify_all();
}

void Pipe::fail(std::exception_ptr error) {
    {
        const std::scoped_lock lock(mutex_);
        error_ = std::move(error);
        closed_ = true;
    }
    changed_.notify_all();
}

std::size_t Pipe::read(std::span<std::byte> into, const std::stop_token& stop) {
    std::size_t n = 0;
    {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return filled_ > 0 || closed_; }))
            throw Error(ErrorKind::cancelled, "interrupted");
        if (filled_ == 0 && error_)
            std::rethrow_exception(error_);
        n = std::min({into.size(), filled_, ring_.size() - begin_});
        std::copy_n(ring_.begin() + static_cast<std::ptrdiff_t>(begin_), n, into.begin());
        begin_ = (begin_ + n) % ring_.size();
        filled_ -= n;
    }
    changed_.notify_all();
    return n;
}

} // namespace lade
