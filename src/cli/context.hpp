// SPDX-License-Identifier: Apache-2.0
// What every command has at hand: the global flags, the store (opened on first use), the wish to stop.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "oci/labels.hpp"
#include "store/store.hpp"

namespace lade::cli {

class Context {
public:
    explicit Context(std::stop_token stop) : stop_(std::move(stop)) {}

    // Filled by the parser.
    std::string root;
    std::string name_space = "default";
    std::string sync = "full";
    bool json = false;
    bool quiet = false;

    // The command the parser chose; an empty one prints help.
    std::function<void()> command;

    const std::stop_token& stop() const noexcept { return stop_; }
    // These three validate the namespace's name too.
    // The store, made when there is none: for commands that write.
    store::Store& store();
    // Whether there is a store: a listing has nothing to list where there is none, and makes none.
    bool has_store() const;
    // The store, or not_found: for commands that read one thing.
    store::Store& existing_store();

    // Both write to stdout, as an Output does.
    void print(std::string_view text) const;
    // One document per run: indented, with a newline.
    void print_json(const Json& value) const;

private:
    std::string place() const;

    std::stop_token stop_;
    std::optional<store::Store> store_;
};

// "key=value" arguments to labels.
oci::Labels parse_labels(const std::vector<std::string>& arguments);
// Sorted "k=v,k=v", or "-" when there are none.
std::string format_labels(const oci::Labels& labels);
Json labels_json(const oci::Labels& labels);

// Several items, one after another: each is tried, errors are said as they come, and the worst decides the
// exit code at the end.
void for_each_item(const std::vector<std::string>& items, const std::function<void(const std::string&)>& work);

// One line on stderr: "lade: <text>".
void complain(std::string_view text);

} // namespace lade::cli
