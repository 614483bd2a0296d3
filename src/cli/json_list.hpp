// SPDX-License-Identifier: Apache-2.0
// A JSON array for standard output whose elements need not all be in memory: the text is that of Context::print_json().
#pragma once

#include <string>

#include "base/json.hpp"
#include "cli/output.hpp"

namespace lade::cli {

// Lines for standard output, gathered into larger pieces. What is not flushed is not written.
class Lines {
public:
    explicit Lines(std::stop_token stop) : output_(std::move(stop)) {}
    void add(std::string_view text);
    void flush();

private:
    Output output_;
    std::string text_;
};

class JsonList {
public:
    explicit JsonList(Lines& lines) : lines_(lines) {}
    void add(const Json& element);
    // The end of the array.
    void finish();

private:
    Lines& lines_;
    bool empty_ = true;
};

} // namespace lade::cli
