// SPDX-License-Identifier: Apache-2.0
// The flags that bound what an image may use (safety.md 1.8), for every command that unpacks.
#pragma once

#include "cli/command.hpp"
#include "transfer/unpack.hpp"

namespace lade::cli {

struct LimitFlags {
    transfer::Limits limits;

    void add(const Command& command);
};

} // namespace lade::cli
