// SPDX-License-Identifier: Apache-2.0
#include "registry/curl.hpp"

#include <dlfcn.h>

#include "base/error.hpp"

namespace lade::registry {

namespace {

// Its version since 2006; the headers and the library have promised each other this interface.
constexpr const char* library = "libcurl.so.4";

template <typename Function>
void find(void* handle, const char* name, Function& function) {
    void* const found = dlsym(handle, name);
    if (found == nullptr)
        throw Error(ErrorKind::unimplemented, library, " has no ", name);
    function = reinterpret_cast<Function>(found);
}

Curl load() {
    void* const handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    if (handle == nullptr)
        throw Error(ErrorKind::unimplemented, "no registry can be asked without libcurl: ", dlerror());
    Curl curl{};
    find(handle, "curl_easy_cleanup", curl.easy_cleanup);
    find(handle, "curl_easy_getinfo", curl.easy_getinfo);
    find(handle, "curl_easy_init", curl.easy_init);
    find(handle, "curl_easy_reset", curl.easy_reset);
    find(handle, "curl_easy_setopt", curl.easy_setopt);
    find(handle, "curl_easy_strerror", curl.easy_strerror);
    find(handle, "curl_global_init", curl.global_init);
    find(handle, "curl_multi_add_handle", curl.multi_add_handle);
    find(handle, "curl_multi_cleanup", curl.multi_cleanup);
    find(handle, "curl_multi_info_read", curl.multi_info_read);
    find(handle, "curl_multi_init", curl.multi_init);
    find(handle, "curl_multi_perform", curl.multi_perform);
    find(handle, "curl_multi_poll", curl.multi_poll);
    find(handle, "curl_multi_remove_handle", curl.multi_remove_handle);
    find(handle, "curl_multi_strerror", curl.multi_strerror);
    find(handle, "curl_multi_wakeup", curl.multi_wakeup);
    find(handle, "curl_slist_append", curl.slist_append);
    find(handle, "curl_slist_free_all", curl.slist_free_all);
    if (const CURLcode code = curl.global_init(CURL_GLOBAL_DEFAULT); code != CURLE_OK)
        throw Error(ErrorKind::internal, "cannot start libcurl: ", curl.easy_strerror(code));
    return curl;
}

} // namespace

const Curl& curl() {
    static const Curl loaded = load();
    return loaded;
}

} // namespace lade::registry
