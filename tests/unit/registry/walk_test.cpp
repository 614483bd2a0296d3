// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "registry/walk.hpp"
#include "unit/kind_of.hpp"

using lade::Error;
using lade::ErrorKind;
using lade::registry::Attempts;
using lade::registry::Capabilities;
using lade::registry::Channel;
using lade::registry::Client;
using lade::registry::Failures;
using lade::registry::KeySource;
using lade::registry::Transient;
using lade::registry::Walk;
using lade::test::kind_of;

namespace {

constexpr Capabilities pull{.pull = true, .resolve = false, .push = false, .referrers = false};
constexpr Capabilities resolve{.pull = true, .resolve = true, .push = false, .referrers = false};

Transient unreachable() {
    Transient failure("nobody");
    failure.unreachable = true;
    return failure;
}

// Hosts named "a" to "z", the last of which is the registry itself; no request is made.
class Hosts {
public:
    explicit Hosts(const std::vector<Capabilities>& all) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            lade::registry::Host host{.base = *lade::registry::Url::parse(std::string("https://") + char('a' + i))};
            host.capabilities = all[i];
            host.is_registry = i + 1 == all.size();
            walk_.add(std::make_unique<Channel>(client_, host, "x", KeySource{}, ""));
        }
    }

    // The hosts that are asked, upper case when they are tried again though they do not answer.
    std::string ask(const std::function<void(const std::string&)>& work, const Capabilities& needs = pull) {
        Failures failures;
        return ask(work, failures, needs);
    }
    std::string skip(const std::function<void(const std::string&)>& work, const std::set<std::string>& skipped) {
        Failures failures;
        return ask(work, failures, pull, skipped);
    }
    std::string ask(const std::function<void(const std::string&)>& work, Failures& failures,
                    const Capabilities& needs = pull, const std::set<std::string>& skipped = {}) {
        std::string asked;
        const auto one = [&](Channel& channel, Attempts attempts) {
            const std::string& name = channel.host().base.host;
            asked += attempts.last ? static_cast<char>(name[0] - 'a' + 'A') : name[0];
            work(name);
            return true;
        };
        walk_.first(needs, 5, failures, one,
                    [&](const Channel& channel) { return skipped.contains(channel.host().base.host); });
        return asked;
    }

private:
    Client client_;
    Walk walk_;
};

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("walk: the first that has it, and only who can") {
        Hosts hosts({{}, pull, {}});
        const auto fine = [](const std::string&) {};
        CHECK(hosts.ask(fine) == "a");
        const auto none = [](const std::string&) { throw Error(ErrorKind::not_found, "no"); };
        CHECK(hosts.ask(none) == "abC");
        CHECK(hosts.ask(none, resolve) == "aC");
        CHECK(kind_of([&] { Hosts({pull}).ask(fine, resolve); }) == ErrorKind::not_found);
    }

    TEST_CASE("walk: who was out of reach is asked last and briefly, and not when another one lacks it") {
        Hosts hosts({{}, {}, {}});
        CHECK(hosts.ask([](const std::string& name) {
            if (name == "a")
                throw unreachable(); // NOLINT(misc-throw-by-value-catch-by-reference)
        }) == "ab");
        const auto down = [](const std::string&) { throw Transient("503"); };
        CHECK(hosts.ask(down) == "bCa");
        Failures failures;
        Hosts other({{}, {}});
        CHECK(other.ask([](const std::string& name) {
            if (name == "a")
                throw unreachable(); // NOLINT(misc-throw-by-value-catch-by-reference)
        }) == "aB");
        CHECK(other.ask([](const std::string&) { throw Error(ErrorKind::not_found, "no"); }, failures) == "B");
        CHECK(failures.missing());
    }

    TEST_CASE("walk: whom nobody wants is not asked, and is nobody's last hope") {
        Hosts hosts({{}, {}, {}});
        const auto down = [](const std::string&) { throw Transient("503"); };
        CHECK(hosts.skip(down, {"c"}) == "aB");
        CHECK(hosts.skip(down, {"a", "b", "c"}).empty());
    }

    TEST_CASE("walk: a signal ends it, and so does what is nobody's fault") {
        Hosts hosts({{}, {}});
        for (const ErrorKind kind : {ErrorKind::cancelled, ErrorKind::internal})
            CHECK(kind_of([&] { hosts.ask([&](const std::string&) { throw Error(kind, "stop"); }); }) == kind);
    }

    TEST_CASE("walk: the failure that is told") {
        const auto told = [](ErrorKind mirror, ErrorKind registry) {
            Failures failures;
            Hosts({{}, {}}).ask(
                [&](const std::string& name) {
                    const ErrorKind kind = name == "a" ? mirror : registry;
                    if (kind == ErrorKind::unavailable)
                        throw Transient("from ", name);
                    throw Error(kind, "from ", name);
                },
                failures);
            try {
                failures.throw_worst("x not found");
            } catch (const Error& error) {
                CHECK(error.message().find("from a") != std::string::npos);
                CHECK(error.message().find("from b") != std::string::npos);
                CHECK(error.message().starts_with("x not found: ") == (error.kind() == ErrorKind::not_found));
                return error.kind();
            }
        };
        CHECK(told(ErrorKind::unavailable, ErrorKind::not_found) == ErrorKind::not_found);
        CHECK(told(ErrorKind::not_found, ErrorKind::unavailable) == ErrorKind::unavailable);
        CHECK(told(ErrorKind::not_found, ErrorKind::unauthenticated) == ErrorKind::unauthenticated);
        CHECK(told(ErrorKind::unauthenticated, ErrorKind::not_found) == ErrorKind::not_found);
        CHECK(told(ErrorKind::unauthenticated, ErrorKind::unavailable) == ErrorKind::unavailable);
        CHECK(told(ErrorKind::data_loss, ErrorKind::not_found) == ErrorKind::data_loss);
        CHECK(told(ErrorKind::resource_exhausted, ErrorKind::data_loss) == ErrorKind::resource_exhausted);
    }
}
