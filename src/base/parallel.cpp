// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.hpp"

#include <algorithm>
#include <atomic>

#include "base/tasks.hpp"

namespace lade {

void in_parallel(std::size_t count, std::size_t at_once, const std::stop_token& stop,
                 const std::function<void(std::size_t, const std::stop_token&)>& work) {
    std::atomic<std::size_t> next = 0;
    TaskGroup tasks(stop);
    for (std::size_t i = 0; i < std::min(count, at_once); ++i)
        tasks.start([&](const std::stop_token& task_stop) {
            for (std::size_t one = next++; one < count; one = next++) {
                check_stop(task_stop);
                work(one, task_stop);
            }
        });
    tasks.wait();
}

} // namespace lade
