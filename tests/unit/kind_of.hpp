// SPDX-License-Identifier: Apache-2.0
// The kind of what `work` throws, or nullopt.
#pragma once

#include <functional>
#include <optional>

#include "base/error.hpp"

namespace lade::test {

inline std::optional<ErrorKind> kind_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.kind();
    }
    return std::nullopt;
}

} // namespace lade::test
