// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/copy_flags.hpp"
#include "cli/images.hpp"
#include "cli/push_flags.hpp"
#include "cli/registry_flags.hpp"
#include "transfer/copy.hpp"

namespace lade::cli {

namespace {

// What is about one of the two registries.
struct Side {
    std::string user;
    std::string refresh;
    bool plain_http = false;
    bool skip_verify = false;

    bool operator==(const Side&) const = default;
};

struct CopyFlags {
    std::string source;
    std::string target;
    StoreFlags store;
    std::string user;
    bool foreign_layers = false;
    Side from;
    Side to;
    PushFlags push;
    RegistryFlags registry;
};

registry::Options registry_options(const Context& context, const CopyFlags& flags, const Side& side) {
    RegistryFlags connection = flags.registry;
    connection.user = side.user.empty() && side.refresh.empty() ? flags.user : side.user;
    connection.refresh = side.refresh;
    connection.plain_http = connection.plain_http || side.plain_http;
    connection.skip_verify = connection.skip_verify || side.skip_verify;
    registry::Options options = connection.options(context.stop());
    options.ask_program = context.ask_program();
    return options;
}

// What opens one registry, or makes it less safe to speak to, must not reach the other by oversight.
void check_sides(const CopyFlags& flags, const oci::Reference& source, const oci::Reference& target) {
    if (source.domain() == target.domain())
        return;
    const auto refuse = [&](bool given, const char* flag, const char* instead) {
        if (given)
            throw Error(ErrorKind::invalid_argument, flag, ": ", source.domain(), " and ", target.domain(),
                        " are two registries: ", instead);
    };
    refuse(!flags.user.empty(), "--user", "each has its own, --src-user and --dst-user");
    refuse(flags.registry.plain_http, "--plain-http", "say --src-plain-http or --dst-plain-http");
    refuse(flags.registry.skip_verify, "--skip-verify", "say --src-skip-verify or --dst-skip-verify");
    refuse(!flags.registry.certificate.empty(), "--tlscert", "only one is to be shown it, hosts.toml can say so");
}

void copy(Context& context, const CopyFlags& flags) {
    if (flags.target.empty())
        throw Error(ErrorKind::invalid_argument,
                    "dst is required: a registry to copy to; --dest-namespace and --to-root copy out of the store");
    const oci::Reference source = oci::Reference::parse(flags.source);
    const oci::Reference target = oci::Reference::parse(flags.target);
    check_sides(flags, source, target);
    transfer::CopyOptions options{.name_space = context.name_space,
                                  .platforms = flags.push.chosen_platforms(),
                                  .nondistributable = flags.push.nondistributable || flags.foreign_layers,
                                  .referrers = flags.push.referrers,
                                  .at_once = flags.push.uploads,
                                  .piece = flags.push.piece(),
                                  .source = registry_options(context, flags, flags.from),
                                  .target = {}};
    // A password is asked for once.
    options.target = source.domain() == target.domain() && flags.from == flags.to
                         ? options.source
                         : registry_options(context, flags, flags.to);
    options.source.foreign_layers = flags.foreign_layers;
    // A store that cannot be read is none to take anything from.
    store::Store* store = nullptr;
    attempt([&] { store = context.find_store(); });
    flags.push.run(context, "copied", flags.registry.verbose, [&](transfer::Progress& board) {
        return transfer::copy_image(store, source, target, options, board, context.stop());
    });
}

void add_side(const Command& command, const std::string& prefix, const std::string& whose, Side& side) {
    command.add_option(prefix + "-user", side.user, cat("user[:password] for ", whose)).type_name("USER");
    command.add_option(prefix + "-refresh", side.refresh, cat("a refresh token for ", whose)).type_name("TOKEN");
    command.add_flag(prefix + "-plain-http", side.plain_http, cat("speak http to ", whose));
    command.add_flag(prefix + "-skip-verify", side.skip_verify, cat("do not verify the certificate of ", whose));
}

} // namespace

void add_copy(const Command& group, Context& context) {
    const Command command = group.add_command("copy", "copy an image to a registry, a namespace or another store");
    needs_rows_only(command, context);
    auto flags = std::make_shared<CopyFlags>();
    command.add_option("src", flags->source, "the image").required();
    command.add_option("dst", flags->target, "what it is to be called, if not the same");
    flags->store.add(command);
    flags->push.add(command, context);
    command.add_flag("--foreign-layers", flags->foreign_layers,
                     "layers that are not to be distributed, too, from the URLs that name them");
    command.add_option("-u,--user", flags->user, "user[:password], where both are on one registry").type_name("USER");
    add_side(command, "--src", "the source", flags->from);
    add_side(command, "--dst", "the target", flags->to);
    flags->registry.add_connection(command);
    flags->registry.add_verbose(command);
    command.when_chosen([command, &context, flags] {
        const bool in_store = flags->store.wanted(command);
        context.command = [&context, flags, in_store] {
            if (in_store)
                flags->store.copy(context, flags->source, flags->target, flags->push);
            else
                copy(context, *flags);
        };
    });
}

} // namespace lade::cli
