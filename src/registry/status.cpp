// SPDX-License-Identifier: Apache-2.0
#include "registry/status.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace lade::registry {

namespace {

constexpr std::size_t max_shown = 1024;
constexpr std::array transient{408, 429, 500, 502, 503, 504};

struct Said {
    std::string code;
    std::string message;
};

std::vector<Said> errors_of(std::string_view body) {
    if (!trim(body).starts_with('{'))
        return {};
    try {
        const Json document = parse_json(body, "error");
        std::vector<Said> said;
        if (const Json* errors = find_array(document, "errors"))
            for (const Json& error : *errors)
                said.push_back({.code = find_string(error, "code").value_or(""),
                                .message = find_string(error, "message").value_or("")});
        return said;
    } catch (const Error&) {
        // A body that cannot be read adds nothing to the status it came with.
        return {};
    }
}

std::string describe(const Request& request, const Response& response, std::string_view denied = {}) {
    std::string text = cat(registry::describe(request), ": ", status_text(response.status));
    if (!denied.empty() && (response.status == 401 || response.status == 403))
        text += cat(": ", denied);
    if (const std::string said = error_text(response.body); !said.empty())
        text += cat(": ", said);
    return text;
}

ErrorKind kind_of(int status) {
    switch (status) {
    case 401:
    case 407:
        return ErrorKind::unauthenticated;
    case 403:
    case 451:
        return ErrorKind::permission_denied;
    case 404:
    case 410:
        return ErrorKind::not_found;
    case 408:
    case 429:
        return ErrorKind::unavailable;
    default:
        return status >= 500 ? ErrorKind::unavailable : ErrorKind::failed_precondition;
    }
}

} // namespace

std::string status_text(int status) {
    struct Word {
        int status;
        std::string_view text;
    };
    static constexpr std::array<Word, 30> words{{
        {200, "OK"},
        {206, "Partial Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {416, "Range Not Satisfiable"},
        {429, "Too Many Requests"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    }};
    const auto* const known = std::ranges::find(words, status, &Word::status);
    return known == words.end() ? cat(status) : cat(status, ' ', known->text);
}

std::string error_text(std::string_view body) {
    std::vector<std::string> said;
    for (const Said& one : errors_of(body))
        said.push_back(printable(cat(one.code, one.code.empty() || one.message.empty() ? "" : ": ", one.message)));
    std::string text = join(said, "; ");
    if (text.size() > max_shown)
        text = text.substr(0, max_shown) + "...";
    return text;
}

std::vector<std::string> error_codes(std::string_view body) {
    std::vector<std::string> codes;
    for (Said& one : errors_of(body))
        codes.push_back(std::move(one.code));
    return codes;
}

void throw_if_transient(const Request& request, const Response& response) {
    if (std::ranges::find(transient, response.status) == transient.end())
        return;
    Transient failure(describe(request, response));
    failure.retry_after = response.retry_after;
    failure.answered = true;
    throw failure;
}

void throw_status(const Request& request, const Response& response, std::string_view denied) {
    throw Error(kind_of(response.status), describe(request, response, denied));
}

} // namespace lade::registry
