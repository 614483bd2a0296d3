// SPDX-License-Identifier: Apache-2.0
// A reply's body as a text of bounded length; every attempt begins anew.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "oci/manifest.hpp"
#include "registry/http.hpp"

namespace lade::registry {

class DocumentReceiver final : public Receiver {
public:
    // `what` names it when it has more than `limit` bytes: resource_exhausted.
    explicit DocumentReceiver(std::string what, std::size_t limit = oci::max_document)
        : what_(std::move(what)), limit_(limit) {}
    void begin(const Response& /*head*/) override { sink_ = fresh(); }
    void write(std::span<const std::byte> bytes) override { sink_.write(bytes); }
    std::string take() { return sink_.take(); }

private:
    StringSink fresh() const { return {limit_, what_}; }
    std::string what_;
    std::size_t limit_;
    StringSink sink_ = fresh();
};

// What a Content-Type says without its parameters; "" when there is none.
std::string media_type_of(const Response& response);

} // namespace lade::registry
