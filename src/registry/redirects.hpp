// SPDX-License-Identifier: Apache-2.0
// Where the redirects of one request lead: 10 at most, and never from https to http.
#pragma once

#include "registry/http.hpp"

namespace lade::registry {

class Redirects {
public:
    // The place of the next request; failed_precondition says why there is none.
    Url next(const Request& request, const Response& response);

private:
    unsigned count_ = 0;
};

} // namespace lade::registry
