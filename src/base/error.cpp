// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <cerrno>
#include <system_error>

namespace lade {

int exit_code(ErrorKind kind) noexcept {
    switch (kind) {
    case ErrorKind::internal:
    case ErrorKind::unimplemented:
    case ErrorKind::cancelled:
        return 1;
    case ErrorKind::invalid_argument:
        return 2;
    case ErrorKind::not_found:
        return 3;
    case ErrorKind::already_exists:
        return 4;
    case ErrorKind::failed_precondition:
        return 5;
    case ErrorKind::unavailable:
        return 6;
    case ErrorKind::permission_denied:
    case ErrorKind::unauthenticated:
        return 7;
    case ErrorKind::data_loss:
        return 8;
    case ErrorKind::resource_exhausted:
        return 9;
    }
    return 1;
}

std::string_view to_string(ErrorKind kind) noexcept {
    switch (kind) {
    case ErrorKind::internal:
        return "internal";
    case ErrorKind::unimplemented:
        return "unimplemented";
    case ErrorKind::invalid_argument:
        return "invalid_argument";
    case ErrorKind::not_found:
        return "not_found";
    case ErrorKind::already_exists:
        return "already_exists";
    case ErrorKind::failed_precondition:
        return "failed_precondition";
    case ErrorKind::unavailable:
        return "unavailable";
    case ErrorKind::permission_denied:
        return "permission_denied";
    case ErrorKind::unauthenticated:
        return "unauthenticated";
    case ErrorKind::data_loss:
        return "data_loss";
    case ErrorKind::resource_exhausted:
        return "resource_exhausted";
    case ErrorKind::cancelled:
        return "cancelled";
    }
    return "internal";
}

void Error::add_context(std::string_view context) {
    message_.insert(0, cat(context, ": "));
}

ErrorKind kind_of_errno(int code) noexcept {
    switch (code) {
    case ENOENT:
        return ErrorKind::not_found;
    case EEXIST:
        return ErrorKind::already_exists;
    case EACCES:
    case EPERM:
    case EROFS:
        return ErrorKind::permission_denied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EFBIG:
        return ErrorKind::resource_exhausted;
    case EBUSY:
    case EAGAIN:
        return ErrorKind::unavailable;
    case EIO:
        return ErrorKind::data_loss;
    case EINVAL:
    case ENAMETOOLONG:
        return ErrorKind::invalid_argument;
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
    case ELOOP:
        return ErrorKind::failed_precondition;
    default:
        return ErrorKind::internal;
    }
}

std::string errno_text(int code) {
    // strerror() is not thread-safe; the generic category's text is the same and is.
    return std::generic_category().message(code);
}

} // namespace lade
