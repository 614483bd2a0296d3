// SPDX-License-Identifier: Apache-2.0
// One thing done to each of many, several at the same time.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

namespace lade {

// Calls `work` for 0 to `count` - 1, at most `at_once` of them at the same time, and in that order. The first error
// ends all of it, as TaskGroup has it.
void in_parallel(std::size_t count, std::size_t at_once, const std::stop_token& stop,
                 const std::function<void(std::size_t, const std::stop_token&)>& work);

} // namespace lade
