// SPDX-License-Identifier: Apache-2.0
#include "base/read_ahead.hpp"

#include <exception>
#include <utility>

namespace lade {

ReadAhead::ReadAhead(Source& inner, std::size_t capacity, std::stop_token stop)
    : pipe_(capacity), stop_(std::move(stop)), task_(stop_) {
    task_.start([this, &inner](const std::stop_token& task_stop) {
        try {
            PipeSink sink(pipe_, task_stop);
            copy(inner, sink);
            pipe_.close();
        } catch (...) {
            pipe_.fail(std::current_exception());
        }
    });
}

} // namespace lade
