// SPDX-License-Identifier: Apache-2.0
// The hosts of one repository, asked one after another until one has what is wanted (registry-and-unpack.md 2.3, 2.4).
// Safe to use from several threads at once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.hpp"
#include "registry/channel.hpp"
#include "registry/retry.hpp"

namespace lade::registry {

// What the hosts of one question answered instead of it.
class Failures {
public:
    void add(const Channel& channel, const Error& error);

    // Whether to look in another place too: some host says that it is not in this one, and nothing weighs more.
    bool only_elsewhere() const noexcept { return missing_ && worst_ <= registry_has_not; }
    // As only_elsewhere(), or nobody could be asked: what a server says about a place where it should not look.
    bool may_be_elsewhere() const noexcept;
    // The registry itself says that it has none, whatever its mirrors say; or everybody does.
    bool nobody_has() const noexcept;
    // Some host that answers does not have it.
    bool missing() const noexcept { return missing_; }
    // Throws the failure of the greatest weight, with what the other hosts said behind it: a size that is refused, then
    // any other answer, then the registry's own 404, then a refused login, then what concerns connections, then a
    // mirror's 404; among equals the registry's own, then the first. `missing` goes before a not_found. There has to be
    // a failure.
    [[noreturn]] void throw_worst(std::string_view missing) const;

private:
    static constexpr int registry_has_not = 7;
    static int rank(const Channel& channel, const Error& error);

    struct Failure {
        const Channel* channel;
        Error error;
    };
    std::vector<Failure> all_;
    std::size_t chosen_ = 0;
    int worst_ = 0;
    bool missing_ = false;
};

class Walk {
public:
    // Those that it names are not asked; empty for nobody.
    using Skip = std::function<bool(const Channel&)>;

    void add(std::unique_ptr<Channel> channel) { hosts_.push_back(std::make_unique<Asked>(std::move(channel))); }

    std::size_t size() const noexcept { return hosts_.size(); }

    // Calls `ask(channel, attempts)` for each host that can do all of `needs`, those last that have failed
    // before, and returns the first value it returns. What it throws is added to `failures` and leads on to the next
    // host; but cancelled and internal are thrown on. nullopt when no host had it, or all that could be asked are to be
    // skipped; not_found when there is none to ask.
    template <typename Ask>
    auto first(const Capabilities& needs, unsigned retries, Failures& failures, Ask&& ask, const Skip& skip = {})
        -> std::optional<std::invoke_result_t<Ask, Channel&, Attempts>> {
        const std::vector<Asked*> order = in_order(needs, skip);
        if (order.empty())
            return std::nullopt;
        const Asked* const last = last_hope(order);
        for (const Asked* one : order)
            if (auto value = try_one(*one, {retries, one == last}, failures, ask))
                return value;
        return std::nullopt;
    }

    // Whether the registry itself has answered from an address of a private network.
    bool registry_is_private() const noexcept;

    // Whom first() would ask first; nullptr for nobody.
    const Channel* likely(const Capabilities& needs, const Skip& skip) const;

private:
    enum class Standing { good, failing, unreachable };

    struct Asked {
        explicit Asked(std::unique_ptr<Channel> its) : channel(std::move(its)) {}
        std::unique_ptr<Channel> channel;
        mutable std::atomic<Standing> standing{Standing::good};
    };

    std::vector<Asked*> in_order(const Capabilities& needs, const Skip& skip) const;
    // Whoever deserves patience: the last of those that were not out of reach before.
    static const Asked* last_hope(const std::vector<Asked*>& order);

    template <typename Ask>
    auto try_one(const Asked& one, Attempts attempts, Failures& failures, Ask& ask)
        -> std::optional<std::invoke_result_t<Ask, Channel&, Attempts>> {
        // One that was found dead is worth another timeout only if it may be the only one that has it.
        if (one.standing == Standing::unreachable && failures.missing())
            return std::nullopt;
        try {
            auto value = ask(*one.channel, attempts);
            one.standing = Standing::good;
            return value;
        } catch (const Transient& failure) {
            one.standing = failure.unreachable || failure.silent ? Standing::unreachable : Standing::failing;
            failures.add(*one.channel, failure);
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::cancelled || error.kind() == ErrorKind::internal)
                throw;
            one.standing = Standing::good;
            failures.add(*one.channel, error);
        }
        return std::nullopt;
    }

    std::vector<std::unique_ptr<Asked>> hosts_;
};

} // namespace lade::registry
