// SPDX-License-Identifier: Apache-2.0
// What the environment says of proxies: libcurl goes by it, and tells only whom it connected to.
#pragma once

#include <string_view>

namespace lade::registry {

// The variable's value; nullptr when it is unset or empty.
const char* find_environment(const char* name);

// Whether a connection for a URL of that scheme which ended at this address and port is one to a proxy: one whose port
// it is, and whose address, if that is known. no_proxy may have led around all of them.
bool is_proxy(std::string_view scheme, std::string_view address, int port);

} // namespace lade::registry
