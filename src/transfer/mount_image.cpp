// SPDX-License-Identifier: Apache-2.0
#include "transfer/mount_image.hpp"

#include <fcntl.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "store/images.hpp"
#include "store/keep.hpp"
#include "store/mounts.hpp"
#include "store/namespaces.hpp"

namespace lade::transfer {

namespace {

class Mounting {
public:
    Mounting(store::Store& store, const MountImageOptions& options)
        : store_(store),
          options_(options),
          snapshots_(store, options.unpack.name_space, options.unpack.snapshotter),
          kind_(options.writable ? store::SnapshotKind::active : store::SnapshotKind::view),
          mounted_{.top = oci::empty_chain_id(),
                   .key = options.target.empty()
                              ? cat("lade-images-mount-", options.unpack.name_space, '-', random_text(4))
                              : options.target,
                   .place = options.target,
                   .until = std::nullopt} {
        if (options.expiration.count() > 0)
            mounted_.until = now() + options.expiration;
    }

    MountedImage run(const oci::ChainId& top, store::LeaseHold& lease, const std::stop_token& stop) {
        mounted_.top = top;
        const auto existing = snapshots_.find(mounted_.key);
        if (existing)
            check(*existing);
        else
            snapshots_.create(kind_, mounted_.key, top.string(), options_.labels, lease, stop);
        bool is_leased_anew = false;
        try {
            is_leased_anew = keep_as(store_, options_.unpack.name_space, mounted_.key, mounted_.until,
                                     {.type = cat("snapshots/", snapshots_.kind().name()), .key = mounted_.key});
            mount(stop);
        } catch (const Error&) {
            if (!existing)
                attempt([&] { snapshots_.remove(mounted_.key); });
            if (is_leased_anew)
                attempt([&] { store::Leases(store_, options_.unpack.name_space).remove(mounted_.key); });
            throw;
        }
        return mounted_;
    }

private:
    void check(const store::Snapshot& snapshot) {
        if (snapshot.parent != mounted_.top.string() || snapshot.kind != kind_)
            throw Error(ErrorKind::failed_precondition, "snapshot ", printable(snapshot.key), " is there already, ",
                        to_string(snapshot.kind), " on ",
                        snapshot.parent.empty() ? "nothing" : printable(snapshot.parent),
                        ": images unmount --rm removes it");
    }

    void mount(const std::stop_token& stop) {
        if (!options_.target.empty()) {
            store::mount_snapshot(store_, snapshots_, mounted_.key, options_.target,
                                  options_.writable ? snapshot::Access::read_write : snapshot::Access::read_only, stop);
            return;
        }
        const std::vector<snapshot::Mount> mounts = snapshots_.mounts(mounted_.key);
        if (mounts.size() != 1 || mounts.front().type != "bind")
            throw Error(ErrorKind::failed_precondition, "several directories show it: name one to mount it at");
        mounted_.place = mounts.front().source;
    }

    store::Store& store_;
    const MountImageOptions& options_;
    store::Snapshots snapshots_;
    store::SnapshotKind kind_;
    MountedImage mounted_;
};

} // namespace

MountedImage mount_image(store::Store& store, const MountImageOptions& options, Progress& progress,
                         const std::stop_token& stop) {
    const std::string& name_space = options.unpack.name_space;
    // Before the work, and before the lease, which would make the namespace.
    if (!store::Images(store, name_space).find(options.image))
        throw Error(ErrorKind::not_found, "image ", printable(options.image), " not found");
    if (!options.target.empty())
        static_cast<void>(open_at(AT_FDCWD, options.target, O_PATH | O_DIRECTORY));
    store::LeaseHold lease(store, name_space, options.unpack.lease);
    const Unpacked unpacked = unpack_held(store, options.image, options.unpack, lease, progress, stop);
    return Mounting(store, options).run(unpacked.top, lease, stop);
}

void unmount_image(store::Store& store, const std::string& name_space, const std::string& snapshotter,
                   const std::string& target, bool remove, const std::stop_token& stop) {
    if (find_at(AT_FDCWD, target, O_PATH))
        store::unmount_snapshots(store, target);
    if (!remove)
        return;
    if (store::Snapshots snapshots(store, name_space, snapshotter); snapshots.find(target))
        snapshots.remove(target, "", stop);
    store::Leases(store, name_space).remove(target);
}

} // namespace lade::transfer
