// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/content.hpp"
#include "cli/push_flags.hpp"
#include "cli/registry_flags.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string remote;
    std::string digest;
    std::string media_type;
    PushFlags push;
    RegistryFlags registry;
};

void push_object(Context& context, const Flags& flags) {
    const oci::Reference remote = oci::Reference::parse(flags.remote);
    const oci::Digest digest = resolve_digest(context, flags.digest);
    const oci::Descriptor object =
        transfer::describe_stored(context.existing_store(), context.name_space, digest,
                                  flags.media_type.empty() ? std::nullopt : std::optional(flags.media_type));
    // A tag that nobody wrote is none to be set.
    const bool tagged = flags.remote.find(':', flags.remote.rfind('/') + 1) < flags.remote.find('@');
    transfer::PushOptions options{
        .name_space = context.name_space, .platforms = {}, .registry = flags.registry.options(context.stop())};
    options.registry.ask_program = context.ask_program();
    flags.push.run(
        context, "pushed", flags.registry.verbose,
        [&](transfer::Progress& board) {
            return transfer::push_object(context.existing_store(), object, remote, tagged, options, board,
                                         context.stop());
        },
        cat("Pushed ", object.digest, ' ', printable(object.media_type), '\n'));
}

} // namespace

void add_push_object(const Command& group, Context& context) {
    const Command command = group.add_command("push-object", "send one blob, index or manifest to a registry");
    needs_rows_only(command, context);
    auto flags = std::make_shared<Flags>();
    command.add_option("remote", flags->remote, "the repository; its tag is what a document is called").required();
    command.add_option("digest", flags->digest, "the object").required();
    command.add_option("type", flags->media_type, "its media type, if it does not say so itself");
    flags->push.add_output(command, context);
    flags->registry.add(command);
    command.runs(context, [&context, flags] { push_object(context, *flags); });
}

} // namespace lade::cli
