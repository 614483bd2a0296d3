// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

#include "cli/content.hpp"
#include "cli/output.hpp"
#include "cli/pull_flags.hpp"
#include "transfer/fetch_object.hpp"

namespace lade::cli {

namespace {

struct FetchFlags {
    PullFlags pull;
    bool metadata_only = false;
};

void add_fetch_image(const Command& group, Context& context) {
    const Command command = group.add_command("fetch", "fetch an image from its registry, without unpacking it");
    auto flags = std::make_shared<FetchFlags>();
    flags->pull.add(command, context);
    command.add_flag("--metadata-only", flags->metadata_only, "manifests and configs, no layers");
    command.runs(context, [&context, flags] {
        transfer::PullOptions options = flags->pull.options(context);
        options.layers = !flags->metadata_only;
        flags->pull.pull(context, options, "fetched");
    });
}

struct ObjectFlags {
    std::string reference;
    std::vector<std::string> others;
    std::string media_type;
    RegistryFlags registry;
};

void add_fetch_object(const Command& group, Context& context) {
    const Command command = group.add_command("fetch-object", "write what a registry has by a name to standard output");
    needs_rows_only(command, context);
    auto flags = std::make_shared<ObjectFlags>();
    command.add_option("ref", flags->reference, "the object: user/app:1, host:5000/app@sha256:...").required();
    command.add_option("object", flags->others, "accepted for ctr, and not used").group("");
    flags->registry.add(command);
    command.runs(context, [&context, flags] {
        const oci::Reference reference = oci::Reference::parse(flags->reference);
        Output output(context.stop());
        transfer::fetch_object(reference, flags->registry.options(context.stop()), output, context.stop());
    });
}

void add_fetch_blob(const Command& group, Context& context) {
    const Command command = group.add_command("fetch-blob", "write blobs of a repository to standard output");
    needs_rows_only(command, context);
    auto flags = std::make_shared<ObjectFlags>();
    command.add_option("ref", flags->reference, "the repository").required();
    command.add_option("digest", flags->others, "the blobs, in full").required();
    command.add_option("--media-type", flags->media_type, "what they are; a manifest's is looked for among manifests")
        .type_name("TYPE");
    flags->registry.add(command);
    command.runs(context, [&context, flags] {
        const oci::Reference reference = oci::Reference::parse(flags->reference);
        std::vector<oci::Digest> digests;
        std::ranges::transform(flags->others, std::back_inserter(digests), oci::Digest::parse);
        Output output(context.stop());
        transfer::fetch_blobs(reference, digests, flags->media_type, flags->registry.options(context.stop()), output,
                              context.stop());
    });
}

} // namespace

void add_fetch(const Command& group, Context& context) {
    add_fetch_image(group, context);
    add_fetch_object(group, context);
    add_fetch_blob(group, context);
}

} // namespace lade::cli
