// SPDX-License-Identifier: Apache-2.0
// A reply's body as a text of at most oci::max_document bytes; every attempt begins anew.
#pragma once

#include <span>
#include <string>

#include "base/fd.hpp"
#include "oci/manifest.hpp"
#include "registry/http.hpp"

namespace lade::registry {

class DocumentReceiver final : public Receiver {
public:
    // `what` names it when it is too long: resource_exhausted.
    explicit DocumentReceiver(std::string what) : what_(std::move(what)) {}
    void begin(const Response& /*head*/) override { sink_ = fresh(); }
    void write(std::span<const std::byte> bytes) override { sink_.write(bytes); }
    std::string take() { return sink_.take(); }

private:
    StringSink fresh() const { return {oci::max_document, what_}; }
    std::string what_;
    StringSink sink_ = fresh();
};

// What a Content-Type says without its parameters; "" when there is none.
std::string media_type_of(const Response& response);

} // namespace lade::registry
