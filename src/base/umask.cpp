// SPDX-License-Identifier: Apache-2.0
#include "base/umask.hpp"

#include <sys/stat.h>

namespace lade {

namespace {

// The kernel keeps one for the whole process, and tells it only to who sets another.
mode_t before = 0; // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

} // namespace

void clear_umask() noexcept {
    before = ::umask(0);
}

mode_t user_umask() noexcept {
    return before;
}

} // namespace lade
