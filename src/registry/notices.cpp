// SPDX-License-Identifier: Apache-2.0
#include "registry/notices.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/quoted.hpp"

namespace lade::registry {

namespace {

constexpr std::size_t max_bytes = 4096;

} // namespace

std::vector<std::string> parse_warnings(std::string_view header) {
    constexpr std::string_view start = "299 - ";
    std::vector<std::string> texts;
    for (std::string_view rest = trim(header); rest.starts_with(start);) {
        rest = trim(rest.substr(start.size()));
        const auto text = take_quoted(rest);
        rest = trim(rest);
        // A date may follow.
        if (!text || (rest.starts_with('"') && !take_quoted(rest)))
            break;
        rest = trim(rest);
        if (!rest.empty() && !rest.starts_with(','))
            break;
        if (!text->empty())
            texts.push_back(percent_decode(*text).value_or(*text)); // it may be of any language
        rest = trim(rest.substr(rest.empty() ? 0 : 1));
    }
    return texts;
}

void Notices::take(const std::string& host, const Response& response) {
    if (!tell_)
        return;
    for (const std::string& header : response.all("warning"))
        for (const std::string& text : parse_warnings(header)) {
            const std::string notice = cat(host, ": ", printable(text));
            {
                const std::scoped_lock lock(mutex_);
                if (bytes_ + text.size() > max_bytes || !told_.insert(notice).second)
                    continue;
                bytes_ += text.size();
            }
            tell_(notice);
        }
}

} // namespace lade::registry
