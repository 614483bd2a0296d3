// SPDX-License-Identifier: Apache-2.0
#include "registry/redirects.hpp"

#include "base/error.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

constexpr unsigned max_redirects = 10;

} // namespace

Url Redirects::next(const Request& request, const Response& response) {
    if (++count_ > max_redirects)
        throw Error(ErrorKind::failed_precondition, describe(request), ": more than ", max_redirects, " redirects");
    const std::string location = response.find("location").value_or("");
    auto target = request.url.resolve(location);
    if (!target || location.empty())
        throw Error(ErrorKind::failed_precondition, describe(request), ": ", status_text(response.status),
                    ": a redirect to no usable place");
    if (request.url.scheme == "https" && target->scheme != "https")
        throw Error(ErrorKind::failed_precondition, describe(request), ": refused to follow a redirect from https to ",
                    target->shown());
    return *std::move(target);
}

} // namespace lade::registry
