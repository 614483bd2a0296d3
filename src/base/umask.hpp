// SPDX-License-Identifier: Apache-2.0
// The program makes each file with the very mode it names; only what people ask for by a path of their own is made with
// their umask.
#pragma once

#include <sys/types.h>

namespace lade {

// Sets the process's umask to 0. Once, before the first thread.
void clear_umask() noexcept;
// What it was before.
mode_t user_umask() noexcept;

} // namespace lade
