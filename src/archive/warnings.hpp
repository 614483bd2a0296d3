// SPDX-License-Identifier: Apache-2.0
// What was left out of a layer's way, told afterwards: a layer may deserve millions of them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lade::archive {

struct Warnings {
    std::vector<std::string> warnings; // the first few, already printable
    std::uint64_t unsaid_warnings = 0;

    void warn(std::string text) {
        constexpr std::size_t most = 20;
        if (warnings.size() < most)
            warnings.push_back(std::move(text));
        else
            ++unsaid_warnings;
    }
};

} // namespace lade::archive
