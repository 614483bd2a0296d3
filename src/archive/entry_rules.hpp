// SPDX-License-Identifier: Apache-2.0
// What an entry of a layer must be before anything is made of it (safety.md 1.5, 1.8), the same for all who read
// layers. Errors are invalid_argument, or resource_exhausted where a limit is met.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "archive/budget.hpp"
#include "archive/tar.hpp"

namespace lade::archive {

// Before the name of what a layer removes.
inline constexpr std::string_view whiteout_prefix = ".wh.";

// Its names, and what it takes of the budget.
void check_entry(const Entry& entry, Budget& budget);
void check_depth(std::size_t depth, const Limits& limits);
void check_path(std::size_t size, const Limits& limits);

// What a name says that begins with whiteout_prefix.
struct Whiteout {
    enum class Kind {
        one,     // `name` of the directory goes
        opaque,  // all that lower layers have in the directory goes
        nothing, // a name that is reserved and means nothing
    };
    Kind kind = Kind::nothing;
    std::string name;
};
Whiteout parse_whiteout(const std::string& name);

// What a hard link leads to: the directory as the entry has it, and the name in that.
struct LinkTarget {
    std::string directory;
    std::string name;
};
LinkTarget parse_link(const Entry& entry);

// To overlayfs this device is a whiteout; a layer that has one did not ask for that.
bool is_false_whiteout(const Entry& entry) noexcept;

} // namespace lade::archive
