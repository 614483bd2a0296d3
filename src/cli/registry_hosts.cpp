// SPDX-License-Identifier: Apache-2.0
#include "transfer/registry_hosts.hpp"

#include <nlohmann/json.hpp>

#include <memory>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/registry_flags.hpp"
#include "cli/table.hpp"

namespace lade::cli {

namespace {

using transfer::Candidate;

struct Flags {
    std::string reference;
    RegistryFlags registry;
};

std::vector<std::string> words_of(const registry::Capabilities& capabilities) {
    std::vector<std::string> words;
    const auto tell = [&](bool can, const char* word) {
        if (can)
            words.emplace_back(word);
    };
    tell(capabilities.pull, "pull");
    tell(capabilities.resolve, "resolve");
    tell(capabilities.push, "push");
    tell(capabilities.referrers, "referrers");
    return words;
}

bool speaks_tls(const registry::Host& host) {
    return host.base.scheme == "https" || host.try_https_too;
}

std::string tls_of(const registry::Host& host) {
    if (!speaks_tls(host))
        return "-";
    std::string text = host.verify ? "verified" : "unverified";
    if (host.try_https_too)
        text += ", if spoken";
    if (host.verify && !host.ca.empty())
        text += ", own CA";
    if (!host.client.empty())
        text += ", client certificate";
    return text;
}

std::string source_of(const registry::Host& host) {
    return host.source.empty() ? "default" : host.source;
}

// Names alone: the values may be secrets.
std::vector<std::string> header_names(const registry::Host& host) {
    std::vector<std::string> names;
    names.reserve(host.headers.size());
    for (const std::string& header : host.headers)
        names.push_back(header.substr(0, header.find(':')));
    return names;
}

Json to_json(const registry::Host& host, bool has_credentials) {
    Json client = Json::array();
    for (const registry::ClientPair& pair : host.client)
        client.push_back({{"certificate", printable(pair.certificate)}, {"key", printable(pair.key)}});
    Json ca = Json::array();
    for (const std::string& path : host.ca)
        ca.push_back(printable(path));
    Json json = {{"url", host.base.string()},        {"capabilities", words_of(host.capabilities)},
                 {"registry", host.is_registry},     {"verify", speaks_tls(host) && host.verify},
                 {"triesHttps", host.try_https_too}, {"ca", std::move(ca)},
                 {"client", std::move(client)},      {"headers", header_names(host)},
                 {"namespace", host.name_space},     {"credentials", has_credentials},
                 {"source", printable(host.source)}};
    if (host.dial_timeout)
        json["dialTimeoutMs"] = host.dial_timeout->count();
    return json;
}

void list(Context& context, const Flags& flags) {
    const std::vector<Candidate> candidates =
        transfer::find_candidates(oci::Reference::parse(flags.reference), flags.registry.connection_options());
    Json array = Json::array();
    Table table({"URL", "CAPABILITIES", "TLS", "CREDENTIALS", "SOURCE"});
    for (const Candidate& candidate : candidates) {
        const registry::Host& host = candidate.host;
        const bool has_credentials = candidate.keys.own(context.stop()).has_value();
        if (context.json)
            array.push_back(to_json(host, has_credentials));
        else
            table.add({host.base.string(), join(words_of(host.capabilities), ","), tls_of(host),
                       has_credentials ? "yes" : "no", source_of(host)});
    }
    if (context.json)
        context.print_json(array);
    else
        context.print(table.text());
}

} // namespace

void add_registry_hosts(const Command& group, Context& context) {
    const Command command = group.add_command("hosts", "whom a pull would ask, in order, and why");
    needs_rows_only(command, context);
    auto flags = std::make_shared<Flags>();
    command.add_option("ref", flags->reference, "the image: alpine, user/app:1, host:5000/app").required();
    flags->registry.add_connection(command);
    add_json(command, context);
    command.runs(context, [&context, flags] { list(context, *flags); });
}

} // namespace lade::cli
