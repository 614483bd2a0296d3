// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>

#include "cli/content.hpp"
#include "cli/images.hpp"
#include "cli/push_flags.hpp"
#include "cli/registry_flags.hpp"
#include "transfer/push.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string remote;
    std::string local;
    bool skip_missing = false;
    std::string manifest;
    std::string manifest_type;
    PushFlags push;
    RegistryFlags registry;
};

// What is pushed, what it is called here, and where to.
struct Work {
    std::string name;
    oci::Descriptor target;
    oci::Reference remote;
};

Work work_of(Context& context, const Flags& flags) {
    if (!flags.manifest.empty()) {
        const oci::Reference remote = oci::Reference::parse(flags.remote);
        const oci::Digest digest = resolve_digest(context, flags.manifest);
        const std::string type =
            flags.manifest_type.empty() ? std::string(oci::media_type::oci_manifest) : flags.manifest_type;
        const auto told = flags.manifest_type.empty() ? std::nullopt : std::optional(type);
        oci::Descriptor target = transfer::describe_stored(context.existing_store(), context.name_space, digest, told);
        if (!oci::media_type::is_document(target.media_type))
            target.media_type = type;
        return {.name = digest.string(), .target = std::move(target), .remote = remote};
    }
    if (!flags.local.empty())
        static_cast<void>(oci::Reference::parse(flags.remote));
    const store::Image image = get_image(context, flags.local.empty() ? flags.remote : flags.local);
    // An ID, which stands for a name here, is no place to push to.
    return {.name = image.name,
            .target = image.target,
            .remote = oci::Reference::parse(flags.local.empty() ? image.name : flags.remote)};
}

void push(Context& context, const Flags& flags) {
    transfer::PushOptions options{.name_space = context.name_space,
                                  .platforms = flags.push.chosen_platforms(),
                                  .skip_missing = flags.skip_missing,
                                  .nondistributable = flags.push.nondistributable,
                                  .referrers = flags.push.referrers,
                                  .uploads = flags.push.uploads,
                                  .piece = flags.push.piece(),
                                  .registry = {}};
    const Work work = work_of(context, flags);
    options.registry = flags.registry.options(context.stop());
    options.registry.ask_program = context.ask_program();
    flags.push.run(context, "pushed", flags.registry.verbose, [&](transfer::Progress& board) {
        return transfer::push(context.existing_store(), work.name, work.target, work.remote, options, board,
                              context.stop());
    });
}

} // namespace

void add_push(const Command& group, Context& context) {
    const Command command = group.add_command("push", "send an image to a registry");
    needs_rows_only(command, context);
    auto flags = std::make_shared<Flags>();
    command.add_option("remote", flags->remote, "where to: user/app:1, host:5000/app").required();
    const Option local = command.add_option("local", flags->local, "the image, if it has another name here, or its ID");
    flags->push.add(command, context);
    command.add_flag("--skip-missing", flags->skip_missing, "leave out of an index what is not in the store");
    const Option manifest =
        command.add_option("--manifest", flags->manifest, "push this stored index or manifest").type_name("DIGEST");
    manifest.excludes(local);
    command.add_option("--manifest-type", flags->manifest_type, "what that is, if it does not say so")
        .type_name("TYPE")
        .needs(manifest);
    flags->registry.add(command);
    command.runs(context, [&context, flags] { push(context, *flags); });
    add_copy(group, context);
}

} // namespace lade::cli
