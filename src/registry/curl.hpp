// SPDX-License-Identifier: Apache-2.0
// libcurl, loaded by the first exchange: it brings some 25 libraries (TLS, Kerberos, LDAP, ...), which would be
// half of the time that any command takes to start, and most commands talk to nobody.
#pragma once

#include <curl/curl.h>

namespace lade::registry {

// The functions of libcurl under their own names. Any thread may call them; errors as libcurl has them.
struct Curl {
    decltype(&curl_easy_cleanup) easy_cleanup;
    decltype(&curl_easy_getinfo) easy_getinfo;
    decltype(&curl_easy_init) easy_init;
    decltype(&curl_easy_reset) easy_reset;
    decltype(&curl_easy_setopt) easy_setopt;
    decltype(&curl_easy_strerror) easy_strerror;
    decltype(&curl_global_init) global_init;
    decltype(&curl_multi_add_handle) multi_add_handle;
    decltype(&curl_multi_cleanup) multi_cleanup;
    decltype(&curl_multi_info_read) multi_info_read;
    decltype(&curl_multi_init) multi_init;
    decltype(&curl_multi_perform) multi_perform;
    decltype(&curl_multi_poll) multi_poll;
    decltype(&curl_multi_remove_handle) multi_remove_handle;
    decltype(&curl_multi_strerror) multi_strerror;
    decltype(&curl_multi_wakeup) multi_wakeup;
    decltype(&curl_slist_append) slist_append;
    decltype(&curl_slist_free_all) slist_free_all;
};

// Loads and starts it at the first call, and keeps it until the process ends. Error unimplemented where this
// machine has none that will do.
const Curl& curl();

} // namespace lade::registry
