// SPDX-License-Identifier: Apache-2.0
// One error for the whole program. Its kind names the reaction it asks for; its text is a chain of
// contexts, outer to inner, cause last: "pull docker.io/x:1: fetch sha256:ab..: 503 Service Unavailable".
#pragma once

#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace lade {

enum class ErrorKind {
    internal,
    unimplemented,
    invalid_argument,
    not_found,
    already_exists,
    failed_precondition,
    unavailable, // a retry may help
    permission_denied,
    unauthenticated,
    data_loss, // a digest or the store does not hold
    resource_exhausted,
    cancelled, // by a signal or because a sibling task failed
};

// The exit code of design.md section 5. `cancelled` has none of its own (main dies by the signal) and gives 1.
int exit_code(ErrorKind kind) noexcept;

// The word scripts see in JSON errors, e.g. "not_found".
std::string_view to_string(ErrorKind kind) noexcept;

template <typename... Parts>
std::string cat(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return std::move(out).str();
}

class Error : public std::exception {
public:
    template <typename... Parts>
    explicit Error(ErrorKind kind, const Parts&... parts) : kind_(kind), message_(cat(parts...)) {}

    ErrorKind kind() const noexcept { return kind_; }
    const std::string& message() const noexcept { return message_; }
    const char* what() const noexcept override { return message_.c_str(); }

    // Puts "context: " before the message; the kind stays.
    void add_context(std::string_view context);

private:
    ErrorKind kind_;
    std::string message_;
};

// Runs `work`; an Error that leaves it carries `context` in front. `context` may be a string or a
// callable that makes one, so that the text is built only when it is needed.
template <typename Context, typename Work>
decltype(auto) doing(const Context& context, Work&& work) {
    try {
        return std::forward<Work>(work)();
    } catch (Error& error) {
        if constexpr (requires { context(); })
            error.add_context(context());
        else
            error.add_context(context);
        throw;
    }
}

// The door for errno: ENOENT is not_found, EEXIST already_exists, EACCES/EPERM/EROFS permission_denied,
// ENOSPC/EDQUOT/EMFILE/ENFILE/ENOMEM/EFBIG resource_exhausted, EBUSY/EAGAIN unavailable, EIO data_loss, the rest
// internal.
ErrorKind kind_of_errno(int code) noexcept;
std::string errno_text(int code);

// Throws "<parts>: <text of errno>"; call it before anything else can change errno.
template <typename... Parts>
[[noreturn]] void throw_errno(int code, const Parts&... parts) {
    throw Error(kind_of_errno(code), parts..., ": ", errno_text(code));
}

// Undoes something on the way of an error that is worth more than whatever fails here.
template <typename Work>
void attempt(Work work) noexcept {
    try {
        work();
    } catch (const Error&) {
        return;
    }
}

} // namespace lade
