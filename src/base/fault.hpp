// SPDX-License-Identifier: Apache-2.0
// Named places between two steps that belong together, where a test kills the process. They cost nothing, and do
// nothing, unless the program is built with -Dfaults=true.
#pragma once

#include <string_view>

namespace lade::fault {

#ifdef LADE_FAULTS
// Dies by SIGKILL, as if the power went, when the environment says LADE_FAULT=<name>.
void point(std::string_view name) noexcept;
#else
inline void point(std::string_view /*name*/) noexcept {}
#endif

} // namespace lade::fault
