// SPDX-License-Identifier: Apache-2.0
#include "base/fault.hpp"

#ifdef LADE_FAULTS
#include <csignal>
#include <cstdlib>

namespace lade::fault {

void point(std::string_view name) noexcept {
    const char* wanted = std::getenv("LADE_FAULT");
    if (wanted != nullptr && name == wanted)
        std::raise(SIGKILL);
}

} // namespace lade::fault
#endif
