// SPDX-License-Identifier: Apache-2.0
// A command and what it takes on its command line. CLI11 stays behind this header: it is all inline code, most of which
// whoever includes it compiles again (6 of the 10 s that a file of commands took).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace lade::cli {

class Context;

// Handles, as cheap to copy as pointers: what they stand for lives as long as the parser. All methods that change an
// option return it again.

class Option {
public:
    explicit Option(CLI::Option& option) noexcept : option_(&option) {}

    Option required() const;
    // What stands for a value in the help.
    Option type_name(const std::string& name) const;
    // The heading in the help; an empty one hides the option.
    Option group(const std::string& heading) const;
    // Where the value comes from if the command line has none.
    Option envname(const std::string& variable) const;
    // Both refuse a command line: with the other one, or without it.
    Option excludes(Option other) const;
    Option needs(Option other) const;
    // The default in the help: what the variable holds now, or a text.
    Option capture_default_str() const;
    Option default_str(const std::string& text) const;
    // Anything else is refused.
    Option one_of(const std::vector<std::string>& words) const;
    Option between(int least, int most) const;
    Option positive() const;
    // Bytes, also as 20GB or 5GiB.
    Option as_size() const;
    Option size_between(std::uint64_t least, std::uint64_t most, const std::string& about) const;

    // By any of its names, with their dashes.
    bool is_named(const std::string& name) const;
    // The first of its names.
    std::string name() const;

private:
    CLI::Option* option_;
};

class Command {
public:
    explicit Command(CLI::App& app) noexcept : app_(&app) {}

    // What is said on the command line is written into `into`, which has to live until the command has run. Names are
    // CLI11's: "-q,--quiet" for flags, a bare word for an argument. The kinds of value are those that command.cpp ends
    // with; of those without a sign no negative one is taken for a large one.
    template <typename Value>
    Option add_option(const std::string& names, Value& into, const std::string& about) const;
    Option add_flag(const std::string& names, bool& into, const std::string& about) const;
    // A repeatable option that takes one value each time, so that it never eats the arguments behind it.
    Option add_list(const std::string& names, std::vector<std::string>& into, const std::string& about) const;

    // A command below this one. Flags of the program may stand anywhere behind it.
    Command add_command(const std::string& name, const std::string& about,
                        const std::vector<std::string>& aliases = {}) const;
    // Commands of one sort below this one; without one of them it prints its help.
    Command add_group(const std::string& name, const std::string& about,
                      const std::vector<std::string>& aliases = {}) const;

    // What it is for: done after the command line is understood, the privileges are those that it needs, and signals
    // are watched.
    void runs(Context& context, std::function<void()> work) const;
    // Called when the command line is understood, and has this command in it: for those whose flags decide what they
    // need. They set `context.command` themselves.
    void when_chosen(std::function<void()> decide) const;
    // The same before its own options are read.
    void before_options(std::function<void()> decide) const;

    // Those of its options that the command line has, once it was chosen.
    std::vector<Option> given() const;
    // For those who look at the tree itself.
    CLI::App& app() const noexcept { return *app_; }

private:
    CLI::App* app_;
};

} // namespace lade::cli
