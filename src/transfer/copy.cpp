// SPDX-License-Identifier: Apache-2.0
#include "transfer/copy.hpp"

#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/pipe.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "store/blobs.hpp"
#include "transfer/blame.hpp"
#include "transfer/delivery.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_tree.hpp"
#include "transfer/referrer_trees.hpp"

namespace lade::transfer {

namespace {

// What one blob has in memory on its way.
constexpr std::size_t on_the_way = 1 * mib;

// A download in a thread of its own, to be read where it arrives.
class ArrivingBlob final : public Source {
public:
    ArrivingBlob(registry::Repository& repository, const oci::Descriptor& blob, std::uint64_t offset,
                 const std::stop_token& stop)
        : pipe_(on_the_way), stop_(stop), task_(stop) {
        task_.start([this, &repository, blob, offset](const std::stop_token& task_stop) {
            try {
                PipeSink sink(pipe_, task_stop);
                repository.fetch(blob, offset, sink, task_stop);
                pipe_.close();
            } catch (const Error& error) {
                // It was tried again as often as it should be: no Transient failure of the upload, which would begin
                // anew.
                pipe_.fail(std::make_exception_ptr(Error(error.kind(), error.message())));
            } catch (...) {
                pipe_.fail(std::current_exception());
            }
        });
    }

    std::size_t read(std::span<std::byte> into) override { return pipe_.read(into, stop_); }

private:
    Pipe pipe_;
    std::stop_token stop_;
    TaskGroup task_; // last: it ends before what it uses
};

class RemoteContent final : public registry::BlobContent {
public:
    RemoteContent(registry::Repository& repository, oci::Descriptor blob, std::stop_token stop)
        : repository_(repository), blob_(std::move(blob)), stop_(std::move(stop)) {}
    std::unique_ptr<Source> open(std::uint64_t offset) override {
        return std::make_unique<ArrivingBlob>(repository_, blob_, offset, stop_);
    }

private:
    registry::Repository& repository_;
    oci::Descriptor blob_;
    std::stop_token stop_;
};

// Blobs of the source: from the store, if there is one that has them, else from a registry; and whoever had other bytes
// is not asked again.
class BlobSources {
public:
    BlobSources(store::Store* store, const std::string& name_space, registry::Repository& repository,
                Progress& progress)
        : repository_(repository), progress_(progress) {
        if (store != nullptr)
            kept_.emplace(*store, name_space);
    }

    std::unique_ptr<registry::BlobContent> open(const oci::Descriptor& blob, const std::stop_token& stop) {
        const bool is_damaged = damaged_.with([&](const auto& damaged) { return damaged.contains(blob.digest); });
        if (!kept_ || is_damaged || !kept_->is_whole(blob))
            return std::make_unique<RemoteContent>(repository_, blob, stop);
        from_store_.with([&](auto& from_store) { from_store.insert(blob.digest); });
        return stored_content(*kept_, blob);
    }

    void recover(const oci::Descriptor& blob, const registry::WrongContent& wrong) {
        const auto warn = [&](const std::string& warning) { progress_.warn(warning); };
        if (from_store_.with([&](auto& from_store) { return from_store.erase(blob.digest) > 0; })) {
            damaged_.with([&](auto& damaged) { damaged.insert(blob.digest); });
            warn(cat(kind_of(blob), ' ', blob.digest, ": the store's copy is damaged, fetching it"));
            return;
        }
        blame(repository_, blob, Error(wrong.kind(), wrong.message()), warn);
    }

private:
    registry::Repository& repository_;
    Progress& progress_;
    std::optional<store::Blobs> kept_;
    Guarded<std::set<oci::Digest>> from_store_; // as far as anybody opened them
    Guarded<std::set<oci::Digest>> damaged_;
};

// Documents of the source, each fetched once.
class RemoteDocuments {
public:
    RemoteDocuments(registry::Repository& repository, Progress& progress, const std::stop_token& stop)
        : repository_(repository), progress_(progress), stop_(stop) {}

    const std::string& get(const oci::Descriptor& descriptor) {
        const auto known = texts_.find(descriptor.digest);
        if (known != texts_.end())
            return known->second;
        if (descriptor.size > oci::max_document)
            throw Error(ErrorKind::resource_exhausted, kind_of(descriptor), ' ', descriptor.digest, ": ",
                        descriptor.size, " bytes, at most ", oci::max_document, " are read");
        std::string text =
            doing([&] { return cat("fetch ", kind_of(descriptor), ' ', descriptor.digest); },
                  [&] {
                      return receive_document(repository_, descriptor, stop_,
                                              [&](const std::string& warning) { progress_.warn(warning); });
                  });
        return texts_.emplace(descriptor.digest, std::move(text)).first->second;
    }

private:
    registry::Repository& repository_;
    Progress& progress_;
    const std::stop_token& stop_;
    std::map<oci::Digest, std::string> texts_;
};

TreeReader reader_of(RemoteDocuments& documents) {
    return {.find_document = [&documents](const oci::Descriptor& document) { return documents.get(document); },
            .has_blob = [](const oci::Descriptor&) { return true; }};
}

ImageTree collect(RemoteDocuments& documents, const oci::Descriptor& root, const CopyOptions& options,
                  Progress& progress) {
    if (oci::media_type::is_schema1(root.media_type))
        throw Error(
            ErrorKind::failed_precondition, root.digest,
            " is a schema 1 manifest, which is not copied as it is: \"images pull\" makes an image of today of it, "
            "\"images push\" sends that");
    const ChosenRoot chosen = choose_root(
        root, options.platforms, [&](const oci::Descriptor& document) { return documents.get(document); },
        [&](const std::string& warning) { progress.warn(warning); });
    CollectedTree found =
        collect_tree(chosen.root, reader_of(documents),
                     {.skip_missing = false, .nondistributable = options.nondistributable, .only = chosen.only});
    if (found.reduced)
        progress.warn(
            cat("the index is a reduced one, ", found.tree.root().digest, " in place of ", chosen.root.digest));
    return std::move(found.tree);
}

} // namespace

Pushed copy_image(store::Store* store, const oci::Reference& source, const oci::Reference& target,
                  const CopyOptions& options, Progress& progress, const std::stop_token& stop) {
    return doing(
        [&] { return cat("copy ", source.string(), " to ", target.string()); },
        [&] {
            registry::Repository repository(source, telling(options.source, progress));
            registry::Pusher pusher(target, telling(options.target, progress), options.piece);
            Item& item = progress.add("reference", source.string(), 0);
            item.set(Stage::resolving);
            const oci::Descriptor root = repository.resolve(stop);
            item.set(Stage::resolved);
            RemoteDocuments documents(repository, progress, stop);
            Shipment shipment{.image = collect(documents, root, options, progress), .referrers = {}};
            if (options.referrers)
                shipment.referrers = collect_referrers(
                    shipment.image,
                    {.find = [&](const oci::Digest& digest) { return repository.referrers(digest, "", stop); },
                     .tree = reader_of(documents)},
                    options.nondistributable, [&](const std::string& warning) { progress.warn(warning); });

            BlobSources blobs(store, options.name_space, repository, progress);
            const bool one_registry = source.domain() == target.domain() && source.path() != target.path();
            const BlobOrigin origin{
                .open = [&](const oci::Descriptor& blob,
                            const std::stop_token& task_stop) { return blobs.open(blob, task_stop); },
                .mount_from = [&](const oci::Descriptor&) { return one_registry ? source.path() : std::string(); },
                .recover = [&](const oci::Descriptor& blob,
                               const registry::WrongContent& wrong) { blobs.recover(blob, wrong); }};
            Pushed copied{.name = target.string(), .target = shipment.image.root(), .delivered = {}};
            copied.delivered = deliver(pusher, shipment, target, origin, options.at_once, progress, stop);
            return copied;
        });
}

} // namespace lade::transfer
