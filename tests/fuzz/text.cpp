// SPDX-License-Identifier: Apache-2.0
// Any text where people and registries write text: the first byte chooses the reader. What is read must
// be read the same again from its own spelling.
#include "base/text.hpp"

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/filter.hpp"
#include "oci/digest.hpp"
#include "oci/docker_archive.hpp"
#include "oci/layout.hpp"
#include "oci/manifest.hpp"
#include "oci/platform.hpp"
#include "oci/reference.hpp"
#include "oci/referrers.hpp"
#include "oci/schema1.hpp"
#include "registry/auth.hpp"
#include "registry/auth_file.hpp"
#include "registry/credentials.hpp"
#include "registry/hosts.hpp"
#include "registry/hosts_toml.hpp"
#include "registry/notices.hpp"
#include "registry/referrers.hpp"
#include "registry/status.hpp"
#include "registry/url.hpp"

using namespace lade;

namespace {

void must(bool holds) {
    if (!holds)
        std::abort();
}

void read_reference(const std::string& text) {
    const auto reference = oci::Reference::parse(text);
    must(oci::Reference::parse(reference.string()).string() == reference.string());
    registry::registry_of(reference.domain(), {});
}

void read_platform(const std::string& text) {
    const auto platform = oci::parse_platform(text);
    must(oci::normalize(platform) == platform);
    must(oci::matches(platform, platform));
}

void read_url(const std::string& text) {
    const auto url = registry::Url::parse(text);
    if (!url)
        return;
    const auto again = registry::Url::parse(url->string());
    must(again && again->string() == url->string() && again->same_origin(*url));
    if (const auto target = url->resolve(text))
        must(target->same_origin(*url));
}

void read_hosts(const std::string& text) {
    const registry::HostsFile file = registry::parse_hosts_toml(text, "hosts.toml");
    for (const registry::HostEntry& mirror : file.mirrors) {
        must(!mirror.url.empty() && mirror.line > 0);
        for (const std::string& header : mirror.headers)
            must(header.find_first_of("\r\n") == std::string::npos);
    }
}

void read_filter(const std::string& text) {
    const std::vector<OrderedField> ordered{{.path = "size", .order = FieldOrder::number},
                                            {.path = "created", .order = FieldOrder::time}};
    const Filter filter = Filter::parse({text}, ordered, Time{});
    const Filter again = Filter::parse(filter.spelling(), ordered, Time{});
    must(again.spelling() == filter.spelling());
    const auto object = [](const FieldPath& path) -> std::optional<FieldValue> {
        if (path[0] == "size")
            return std::uint64_t{10'000'000};
        if (path[0] == "created")
            return Time{};
        return path.size() > 1 ? std::optional<FieldValue>(path[1]) : std::nullopt;
    };
    must(again.matches(object) == filter.matches(object));
}

void read_schema1(const std::string& text) {
    const std::string payload = oci::schema1_payload(text, "manifest");
    must(oci::document_digest(oci::media_type::docker_schema1, text, oci::Algorithm::sha256, "manifest") ==
         oci::Digest::of(payload));
    const oci::Schema1 image = oci::parse_schema1(payload, "manifest");
    must(!image.steps.empty());
    static_cast<void>(oci::parse_config(oci::schema1_config(image, {}), "config"));
}

// The documents of image archives; what comes out of them is a name that is one, and no ID that is a path.
void read_archive(const std::string& text) {
    const std::string id(64, 'a');
    const auto is_name = [](const std::string& name) { return oci::Reference::parse(name).string() == name; };
    const auto attempt_each = [&](auto read) {
        try {
            read();
        } catch (const Error&) {
            // Refused; the next one may read it.
        }
    };
    attempt_each([&] {
        for (const oci::DockerImage& image : oci::parse_docker_manifest(text))
            for (const std::string& name : image.names)
                must(is_name(name));
    });
    attempt_each([&] {
        for (const oci::DockerRepository& one : oci::parse_repositories(text))
            must(is_name(one.name) && one.layer.find_first_of("/.") == std::string::npos);
    });
    attempt_each([&] { must(oci::parse_docker_layer(text, id).parent.find_first_of("/.") == std::string::npos); });
    attempt_each([&] { oci::check_layout(text); });
    if (const auto digest = oci::layout::find_blob(text))
        must(oci::layout::blob_path(*digest) == text);
    oci::Descriptor image{.media_type = {}, .digest = oci::Digest::of(text)};
    image.annotations.emplace(oci::annotation::reference_name, text);
    for (const std::string& name : oci::names_of(image, {.prefix = "prefix", .digests = true}))
        must(is_name(name));
}

void read_auth_file(const std::string& text) {
    const registry::Realm realm{.registry = "reg.example", .repository = "a/b"};
    static_cast<void>(registry::AuthFile::parse(text).find(realm));
    static_cast<void>(registry::AuthFile::parse_variable(text).find(realm));
}

// An index of referrers that somebody keeps in a tag stays one that can be read.
void read_referrers(const std::string& text) {
    static_cast<void>(registry::next_page({.status = 200, .headers = {{"link", text}}}));
    static_cast<void>(oci::find_document_type(text));
    const oci::Digest digest = oci::Digest::of(text);
    const oci::Descriptor referrer = oci::describe_referrer(text, oci::media_type::oci_manifest, digest);
    const auto index = oci::add_to_referrers(std::nullopt, referrer);
    must(index && !oci::add_to_referrers(index, referrer));
    if (const auto grown = oci::add_to_referrers(text, referrer))
        must(!oci::add_to_referrers(grown, referrer));
}

void read_one(unsigned char which, const std::string& text) {
    switch (which % 16) {
    case 0:
        return read_reference(text);
    case 1:
        return read_platform(text);
    case 2:
        return read_url(text);
    case 3:
        static_cast<void>(registry::parse_challenges(text));
        return;
    case 4:
        static_cast<void>(registry::parse_token(text, {}));
        return;
    case 5:
        static_cast<void>(registry::error_text(text));
        return;
    case 6:
        static_cast<void>(oci::reference_labels(oci::parse_index(text, oci::media_type::oci_index, "index")));
        return;
    case 7:
        static_cast<void>(oci::reference_labels(oci::parse_manifest(text, oci::media_type::oci_manifest, "manifest")));
        return;
    case 8:
        static_cast<void>(oci::parse_config(text, "config"));
        return;
    case 9:
        return read_hosts(text);
    case 11:
        return read_schema1(text);
    case 12:
        static_cast<void>(registry::parse_warnings(text));
        return;
    case 13:
        return read_auth_file(text);
    case 14:
        return read_referrers(text);
    case 15:
        return read_archive(text);
    default:
        return read_filter(text);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    try {
        read_one(data[0], text);
    } catch (const Error&) {
        // Refused: as good as read.
    }
    static_cast<void>(printable(text));
    return 0;
}
