// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>

#include "base/text.hpp"
#include "cli/images.hpp"
#include "cli/registry_flags.hpp"
#include "cli/table.hpp"
#include "transfer/find_image.hpp"
#include "transfer/referrers.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string reference;
    std::string artifact_type;
    std::string platform;
    bool recursive = false;
    bool offline = false;
    RegistryFlags registry;
};

transfer::Referrers find(Context& context, const Flags& flags) {
    transfer::ReferrersOptions options{
        .artifact_type = flags.artifact_type, .recursive = flags.recursive, .platform = std::nullopt, .registry = {}};
    if (!flags.platform.empty())
        options.platform = oci::parse_platform(flags.platform);
    if (flags.offline) {
        const store::Image image = get_image(context, flags.reference);
        store::Blobs blobs(context.existing_store(), context.name_space);
        return transfer::list_stored_referrers(blobs, image.target, options);
    }
    const oci::Reference reference = oci::Reference::parse(flags.reference);
    options.registry = flags.registry.options(context.stop());
    return transfer::list_referrers(reference, options, context.stop());
}

std::string type_of(const oci::Descriptor& referrer) {
    return referrer.artifact_type.empty() ? referrer.media_type : referrer.artifact_type;
}

std::string created_of(const oci::Descriptor& referrer) {
    const auto created = referrer.annotations.find("org.opencontainers.image.created");
    return created == referrer.annotations.end() ? "-" : created->second;
}

std::string annotations_of(const oci::Descriptor& referrer) {
    std::vector<std::string> parts;
    for (const auto& [key, value] : referrer.annotations)
        if (key != "org.opencontainers.image.created")
            parts.push_back(cat(key, '=', value));
    return parts.empty() ? "-" : join(parts, ",");
}

Json row_of(const transfer::Referrer& referrer) {
    const oci::Descriptor& descriptor = referrer.descriptor;
    Json json = to_json(descriptor);
    json["artifactType"] = descriptor.artifact_type.empty() ? Json() : Json(descriptor.artifact_type);
    json["annotations"] = descriptor.annotations;
    json["subject"] = referrer.subject.string();
    return json;
}

void list(Context& context, const Flags& flags) {
    const transfer::Referrers found =
        doing([&] { return cat("referrers of ", printable(flags.reference)); }, [&] { return find(context, flags); });
    if (context.json) {
        Json referrers = Json::array();
        for (const transfer::Referrer& one : found.list)
            referrers.push_back(row_of(one));
        context.print_json({{"subject", to_json(found.subject)}, {"referrers", referrers}});
        return;
    }
    if (context.quiet) {
        std::string text;
        for (const transfer::Referrer& one : found.list)
            text += one.descriptor.digest.string() + '\n';
        context.print(text);
        return;
    }
    Table table({"DIGEST", "TYPE", "SIZE", "CREATED", "ANNOTATIONS"});
    for (const transfer::Referrer& one : found.list) {
        const std::string indent = one.depth == 0 ? "" : std::string(2 * one.depth, ' ') + "\\_ ";
        table.add({indent + one.descriptor.digest.string(), type_of(one.descriptor), kib_size(one.descriptor.size),
                   created_of(one.descriptor), annotations_of(one.descriptor)});
    }
    context.print(table.text());
}

} // namespace

void add_referrers(const Command& group, Context& context) {
    const Command command = group.add_command("referrers", "list an image's signatures, SBOMs and attestations");
    needs_rows_only(command, context);
    auto flags = std::make_shared<Flags>();
    command.add_option("ref", flags->reference, "the image, as its registry has it").required();
    command.add_option("--artifact-type", flags->artifact_type, "only of this type").type_name("TYPE");
    command.add_option("--platform", flags->platform, "of this platform's manifest, not of the whole image");
    command.add_flag("--recursive", flags->recursive, "their own referrers, too");
    command.add_flag("--offline", flags->offline, "those in the store; ask nobody");
    add_quiet(command, context, "print digests only");
    add_json(command, context);
    flags->registry.add(command);
    command.runs(context, [&context, flags] { list(context, *flags); });
}

} // namespace lade::cli
