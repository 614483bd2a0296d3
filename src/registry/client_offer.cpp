// SPDX-License-Identifier: Apache-2.0
#include "registry/client_offer.hpp"

#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "registry/http.hpp"

namespace lade::registry {

namespace {

// The library that libcurl brought along, if it did: ours is libcrypto alone.
struct Ssl {
    decltype(&SSL_CTX_set_cert_cb) set_callback;
    decltype(&SSL_get0_peer_CA_list) accepted;
    decltype(&SSL_use_certificate_chain_file) use_certificate;
    decltype(&SSL_use_PrivateKey_file) use_key;
};

template <typename Function>
bool find(void* handle, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(handle, name));
    return function != nullptr;
}

std::optional<Ssl> load() {
    Ssl ssl{};
    void* const handle = dlopen("libssl.so.3", RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    if (handle != nullptr && find(handle, "SSL_CTX_set_cert_cb", ssl.set_callback) &&
        find(handle, "SSL_get0_peer_CA_list", ssl.accepted) &&
        find(handle, "SSL_use_certificate_chain_file", ssl.use_certificate) &&
        find(handle, "SSL_use_PrivateKey_file", ssl.use_key))
        return ssl;
    return std::nullopt;
}

const std::optional<Ssl>& find_ssl() {
    static const std::optional<Ssl> loaded = load();
    return loaded;
}

struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(X509* certificate) const { X509_free(certificate); }
};

bool names(const STACK_OF(X509_NAME) * accepted, const X509_NAME* issuer) {
    for (int i = 0; i < sk_X509_NAME_num(accepted); ++i)
        if (X509_NAME_cmp(sk_X509_NAME_value(accepted, i), issuer) == 0)
            return true;
    return false;
}

// By the issuer of any certificate in the file: what stands between ours and a root may be there, too.
bool is_accepted(const ClientPair& pair, const STACK_OF(X509_NAME) * accepted) {
    if (accepted == nullptr || sk_X509_NAME_num(accepted) <= 0)
        return true;
    const std::unique_ptr<BIO, Free> file(BIO_new_file(pair.certificate.c_str(), "r"));
    while (file) {
        const std::unique_ptr<X509, Free> certificate(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
        if (!certificate)
            break;
        if (names(accepted, X509_get_issuer_name(certificate.get())))
            return true;
    }
    // The end of the file is told as an error, which nobody else shall find.
    ERR_clear_error();
    return false;
}

// 1 goes on with the handshake, 0 ends it.
int choose(SSL* connection, void* data) {
    const auto& pairs = *static_cast<const std::vector<ClientPair>*>(data);
    const std::optional<Ssl>& ssl = find_ssl();
    if (!ssl)
        return 0;
    const STACK_OF(X509_NAME)* const accepted = ssl->accepted(connection);
    for (const ClientPair& pair : pairs)
        if (is_accepted(pair, accepted))
            return ssl->use_certificate(connection, pair.certificate.c_str()) == 1 &&
                           ssl->use_key(connection, pair.key.c_str(), SSL_FILETYPE_PEM) == 1
                       ? 1
                       : 0;
    return 1;
}

} // namespace

bool can_offer_clients() {
    return find_ssl().has_value();
}

CURLcode offer_clients(CURL* /*easy*/, void* context, void* pairs) {
    const std::optional<Ssl>& ssl = find_ssl();
    if (!ssl)
        return CURLE_NOT_BUILT_IN;
    ssl->set_callback(static_cast<SSL_CTX*>(context), &choose, pairs);
    return CURLE_OK;
}

} // namespace lade::registry
