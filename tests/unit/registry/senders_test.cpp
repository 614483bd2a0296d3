// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "registry/senders.hpp"

using lade::oci::Digest;
using lade::registry::Channel;
using lade::registry::Client;
using lade::registry::Host;
using lade::registry::KeySource;
using lade::registry::Senders;
using lade::registry::Url;

namespace {

struct Hosts {
    Client client;
    Channel mirror{client, host("mirror", false), "x", KeySource{}, ""};
    Channel other{client, host("other", false), "x", KeySource{}, ""};
    Channel registry{client, host("registry", true), "x", KeySource{}, ""};

    static Host host(const std::string& name, bool is_registry) {
        Host host{.base = *Url::parse("https://" + name)};
        host.is_registry = is_registry;
        return host;
    }
};

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("who sent wrong bytes is rejected for them, and for them alone") {
        Hosts hosts;
        Senders senders;
        const Digest digest = Digest::of("a");
        CHECK(senders.blame(digest) == nullptr);
        senders.note(digest, hosts.mirror, false);
        senders.note(digest, hosts.mirror, false);
        CHECK(senders.blame(digest) == &hosts.mirror);
        CHECK(senders.is_rejected(digest, hosts.mirror));
        CHECK_FALSE(senders.is_rejected(digest, hosts.registry));
        CHECK_FALSE(senders.is_rejected(Digest::of("b"), hosts.mirror));
        CHECK(senders.blame(digest) == nullptr);
    }

    TEST_CASE("of several senders the first mirror is to blame, then whoever sends it all") {
        Hosts hosts;
        Senders senders;
        const Digest digest = Digest::of("a");
        senders.note(digest, hosts.registry, false);
        senders.note(digest, hosts.other, false);
        senders.note(digest, hosts.mirror, false);
        CHECK(senders.blame(digest) == &hosts.other);
        CHECK_FALSE(senders.is_rejected(digest, hosts.mirror));
        senders.note(digest, hosts.registry, false);
        CHECK(senders.blame(digest) == &hosts.registry);
        CHECK(senders.is_rejected(digest, hosts.registry));
    }

    TEST_CASE("content that changed while it was sent is forgiven once") {
        Hosts hosts;
        Senders senders;
        const Digest digest = Digest::of("a");
        for (const bool rejected : {false, true}) {
            senders.note(digest, hosts.registry, false);
            senders.note(digest, hosts.registry, true);
            CHECK(senders.blame(digest) == &hosts.registry);
            CHECK(senders.is_rejected(digest, hosts.registry) == rejected);
        }
    }
}
