// SPDX-License-Identifier: Apache-2.0
// What registries have to say to people with the Warning headers of their replies (registry-and-unpack.md 2.1): shown
// once each, and at most 4096 bytes of it all, as anybody may write there.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "registry/http.hpp"

namespace lade::registry {

// The texts of one header, `299 - "text"`, several separated by commas; what is not of that form is passed over, and
// so is all that follows it.
std::vector<std::string> parse_warnings(std::string_view header);

// Safe to use from several threads at once.
class Notices {
public:
    // `tell` gets each text, printable and with the host that said it; it may be empty, and is called by whoever
    // receives a reply.
    explicit Notices(std::function<void(const std::string&)> tell) : tell_(std::move(tell)) {}
    void take(const std::string& host, const Response& response);

private:
    const std::function<void(const std::string&)> tell_;
    std::mutex mutex_;
    std::set<std::string> told_;
    std::size_t bytes_ = 0;
};

} // namespace lade::registry
