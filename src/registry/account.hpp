// SPDX-License-Identifier: Apache-2.0
// What people see of the exchanges when they ask for it: a line each, and the rate limits that hosts tell.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "base/error.hpp"

namespace lade::registry {

struct Request;
struct Response;

// Takes a line without its newline, fit to be shown. Called from several threads.
using Tell = std::function<void(const std::string&)>;

// Safe to use from several threads at once. Without somebody to tell it does nothing.
class Account {
public:
    explicit Account(Tell tell) : tell_(std::move(tell)) {}

    // "HEAD https://host/v2/x/manifests/1: 200 OK", without the query, and the host's rate limit when it is another
    // than it last told.
    void add(const Request& request, const Response& response);
    // An exchange without a reply.
    void add(const Error& error) const;

private:
    Tell tell_;
    std::mutex mutex_;
    std::map<std::string, std::string> limits_;
};

// What the headers say of a rate limit, docker's or the others' that are usual: "76 of 100 left per 6h, counted for
// 192.0.2.1"; "" when they say nothing.
std::string rate_limit_text(const Response& response);

} // namespace lade::registry
