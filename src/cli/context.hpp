// SPDX-License-Identifier: Apache-2.0
// What every command has at hand: the global flags, the store (opened on first use), the wish to stop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/filter.hpp"
#include "base/json.hpp"
#include "base/outside.hpp"
#include "base/tasks.hpp"
#include "oci/labels.hpp"
#include "store/store.hpp"

namespace lade::cli {

class Context {
public:
    explicit Context(std::stop_token stop) : stop_(std::move(stop)) {}

    // Filled by the parser.
    std::string root;
    std::string name_space = "default";
    std::string lease;
    std::string wait = "1h";
    std::string sync = "full";
    bool no_gc = false;
    bool json = false;
    bool quiet = false;

    // Whether the command may meet files that belong to others than the user, or mounts.
    bool needs_trees = true;
    // Why an ordinary user cannot have the owners that images name.
    std::optional<std::string> less_privileged;

    // Where an ordinary user's programs are run while this process is root of a namespace.
    std::unique_ptr<Outside> outside;
    AskProgram ask_program() const;

    // The command the parser chose; an empty one prints help.
    std::function<void()> command;

    const std::stop_token& stop() const noexcept { return stop_; }
    // Where the store is, or would be.
    std::string place() const;
    // These three validate the namespace's name too.
    // The store, made when there is none: for commands that change it.
    store::Store& store();
    // The store, or nullptr when there is none: a listing has nothing to list there, and makes none.
    store::Store* find_store();
    // The store, or not_found: for commands that read one thing.
    store::Store& existing_store();

    // The store at `other`, made when there is none, for a command that changes it beside the one that it reads, or
    // that one itself. failed_precondition: it is another user's.
    store::Store& target_store(const std::string& other);

    // Says that something is about to be deleted: what only it kept is collected at the end.
    void collect_at_end() noexcept;
    // The end of every command. Whoever changed the store removes what nothing keeps any more when it deleted something
    // or when something has expired meanwhile, unless told not to.
    void finish();

    // While it lives, the word that a wait for another process is long goes there instead of to stderr, which a display
    // may be redrawing. One at a time.
    class WaitsToldTo {
    public:
        WaitsToldTo(Context& context, std::function<void(const std::string&)> there);
        ~WaitsToldTo();
        WaitsToldTo(const WaitsToldTo&) = delete;
        WaitsToldTo& operator=(const WaitsToldTo&) = delete;

    private:
        Context& context_;
    };

    // Both write to stdout, as an Output does.
    void print(std::string_view text) const;
    // One document per run: indented, with a newline.
    void print_json(const Json& value) const;

private:
    store::Store& open();
    void open(std::optional<store::Store>& into, const std::string& where);
    void finish(store::Store& changed);

    std::stop_token stop_;
    Guarded<std::function<void(const std::string&)>> tell_wait_;
    std::optional<store::Store> store_;
    bool changed_ = false;
    bool deleted_ = false;
    std::optional<store::Store> target_;
};

// The filter that arguments of a listing make: any of them has to match. What cannot match is said on stderr.
Filter parse_filter(const std::vector<std::string>& arguments);

// "key=value" arguments to labels.
oci::Labels parse_labels(const std::vector<std::string>& arguments);
// The field paths that change these labels and no others.
std::vector<std::string> label_paths(const oci::Labels& changes);
// Sorted "k=v,k=v", or "-" when there are none.
std::string format_labels(const oci::Labels& labels);
Json labels_json(const oci::Labels& labels);

// Several items, one after another: each is tried, errors are said as they come, and the worst decides the
// exit code at the end.
void for_each_item(const std::vector<std::string>& items, const std::function<void(const std::string&)>& work);

// One line on stderr: "lade: <text>".
void complain(std::string_view text);

} // namespace lade::cli
