// SPDX-License-Identifier: Apache-2.0
#include "transfer/plugins.hpp"

#include <algorithm>
#include <tuple>

#include "archive/compression.hpp"
#include "store/snapshots.hpp"

namespace lade::transfer {

namespace {

constexpr const char* content = "io.containerd.content.v1";
constexpr const char* decoder = "io.lade.decoder.v1";
constexpr const char* differ = "io.containerd.differ.v1";
constexpr const char* event = "io.containerd.event.v1";
constexpr const char* gc = "io.containerd.gc.v1";
constexpr const char* lease = "io.containerd.lease.v1";
constexpr const char* metadata = "io.containerd.metadata.v1";
constexpr const char* resolver = "io.lade.resolver.v1";
constexpr const char* snapshotter = "io.containerd.snapshotter.v1";
constexpr const char* transfer = "io.containerd.transfer.v1";

Plugin part(const char* type, std::string_view id, std::vector<std::string> requires_types = {}) {
    Plugin made;
    made.type = type;
    made.id = id;
    made.requires_types = std::move(requires_types);
    return made;
}

Plugin snapshotter_part(std::string_view name, const std::string& root) {
    Plugin made = part(snapshotter, name, {metadata});
    made.platform = oci::host_platform();
    made.exports_root = cat(root, "/snapshots/", name);
    if (auto reason = snapshot::unusable(name, root + "/snapshots")) {
        made.status = Plugin::Status::skip;
        made.reason = *std::move(reason);
    }
    return made;
}

} // namespace

std::string_view to_string(Plugin::Status status) noexcept {
    switch (status) {
    case Plugin::Status::ok:
        return "ok";
    case Plugin::Status::skip:
        return "skip";
    case Plugin::Status::error:
        break;
    }
    return "error";
}

std::vector<Plugin> list_plugins(const std::string& root, const std::function<void()>& open_store) {
    std::vector<Plugin> all{
        part(decoder, "gzip"),
        part(decoder, "zstd"),
        part(event, "journal", {metadata}),
        part(gc, "collector", {metadata, content, snapshotter}),
        part(lease, "manager", {metadata, gc}),
        part(resolver, "registry"),
        part(transfer, "local", {content, metadata, lease, differ, snapshotter, resolver}),
    };
    all.front().capabilities = {std::string(archive::gzip_engine())};
    Plugin files = part(content, "content");
    files.exports_root = root + "/content";
    Plugin rows = part(metadata, "sqlite");
    rows.exports_root = root + "/meta.db";
    Plugin applier = part(differ, "walking", {content, metadata, decoder});
    applier.platform = oci::host_platform();
    std::ranges::move(std::vector{std::move(files), std::move(rows), std::move(applier)}, std::back_inserter(all));
    for (const std::string_view name : snapshot::snapshotter_names())
        all.push_back(snapshotter_part(name, root));
    try {
        open_store();
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled)
            throw;
        // Without the store nothing works that keeps anything; what only reads and decodes does.
        for (Plugin& one : all)
            if (one.type != decoder && one.type != resolver && one.status == Plugin::Status::ok) {
                one.status = Plugin::Status::error;
                one.reason = error.message();
            }
    }
    std::ranges::sort(all, {}, [](const Plugin& one) { return std::tie(one.type, one.id); });
    return all;
}

Adaptor fields(const Plugin& plugin) {
    return [&plugin](const FieldPath& path) -> std::optional<FieldValue> {
        if (path[0] == "type")
            return plugin.type;
        if (path[0] == "id")
            return plugin.id;
        return std::nullopt;
    };
}

} // namespace lade::transfer
