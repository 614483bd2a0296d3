// SPDX-License-Identifier: Apache-2.0
#include "transfer/fetch.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"

namespace lade::transfer {

namespace {

// Containerd's key of an ingest (registry-and-unpack.md 4.2).
std::string ingest_ref(const oci::Descriptor& descriptor) {
    return cat(kind_of(descriptor), '-', descriptor.digest);
}

// Where the blob can be had again: a sorted list of repositories per host (4.1). One that grows too long is
// left as it is.
oci::Labels source_labels(const Origin& origin, const oci::Digest& digest) {
    const std::string& domain = origin.reference.domain();
    const std::size_t colon = domain.rfind(':');
    const bool has_port = colon != std::string::npos && domain.find(']', colon) == std::string::npos;
    const std::string key =
        cat(oci::label::distribution_source, domain.substr(0, has_port ? colon : std::string::npos));
    std::set<std::string> repositories{origin.reference.path()};
    if (const auto blob = origin.blobs.find(digest))
        if (const auto known = blob->labels.find(key); known != blob->labels.end())
            for (std::string& repository : split(known->second, ','))
                repositories.insert(std::move(repository));
    const std::string value = join({repositories.begin(), repositories.end()}, ",");
    if (key.size() + value.size() > oci::max_label_size)
        return {};
    return {{key, value}};
}

oci::Labels labels_of(const Origin& origin, const oci::Descriptor& descriptor, std::string_view text) {
    oci::Labels labels = source_labels(origin, descriptor.digest);
    if (oci::media_type::is_index(descriptor.media_type))
        labels.merge(
            oci::reference_labels(oci::parse_index(text, descriptor.media_type, cat("index ", descriptor.digest))));
    else if (oci::media_type::is_manifest(descriptor.media_type))
        labels.merge(oci::reference_labels(
            oci::parse_manifest(text, descriptor.media_type, cat("manifest ", descriptor.digest))));
    return labels;
}

// A blob file together with the descriptor it is read through.
class StoredBlob final : public Source {
public:
    StoredBlob(Fd file, const oci::Digest& digest) : file_(std::move(file)), source_(file_.get(), digest.string()) {}
    std::size_t read(std::span<std::byte> into) override { return source_.read(into); }

private:
    Fd file_;
    FileSource source_;
};

// Moves a damaged blob out of the way, so that it is fetched like one that was never here. False when it is good.
bool make_way(const Origin& origin, const oci::Descriptor& descriptor, const std::stop_token& stop) {
    if (!origin.blobs.discard_damaged(descriptor.digest, stop))
        return false;
    origin.progress.warn(
        cat(kind_of(descriptor), ' ', descriptor.digest, ": the store's copy is damaged or missing, fetching it anew"));
    return true;
}

bool has_labels(const Origin& origin, const oci::Digest& digest, const oci::Labels& labels) {
    const auto blob = origin.blobs.find(digest);
    return blob && std::ranges::includes(blob->labels, labels);
}

// The store's copy; nullopt when there is none that is any good.
std::optional<std::string> find_document(const Origin& origin, const oci::Descriptor& descriptor,
                                         const std::stop_token& stop) {
    // The lease has it before it is read: no collection comes between.
    if (!origin.blobs.adopt(descriptor, {}, origin.lease, stop))
        return std::nullopt;
    std::string text;
    try {
        text = origin.blobs.read_document(descriptor);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::data_loss || !make_way(origin, descriptor, stop))
            throw;
        return std::nullopt;
    }
    if (const oci::Labels labels = labels_of(origin, descriptor, text); !has_labels(origin, descriptor.digest, labels))
        origin.blobs.adopt(descriptor, labels, origin.lease, stop);
    return text;
}

std::string receive_document(const Origin& origin, const oci::Descriptor& descriptor, const std::stop_token& stop) {
    StringSink sink(oci::max_document, descriptor.digest.string());
    origin.repository.fetch(descriptor, 0, sink, stop);
    std::string text = sink.take();
    // Hostile bytes are not parsed: the digest comes first.
    oci::Hasher hasher(descriptor.digest.algorithm());
    hasher.update(as_bytes(text));
    if (const oci::Digest found = hasher.finish(); found != descriptor.digest)
        throw Error(ErrorKind::data_loss, "the content received has digest ", found, " (", text.size(), " bytes)");
    return text;
}

std::string download_document(const Origin& origin, const oci::Descriptor& descriptor, const std::stop_token& stop) {
    Item& item = origin.progress.add(std::string(kind_of(descriptor)), descriptor.digest.string(), descriptor.size);
    // Of several processes one fetches, the others wait here.
    store::BlobWriter writer = origin.blobs.ingest(ingest_ref(descriptor), descriptor, origin.lease, stop);
    if (auto stored = find_document(origin, descriptor, stop)) {
        writer.abandon();
        item.set(Stage::exists);
        return *std::move(stored);
    }
    item.set(Stage::downloading);
    try {
        std::string text = receive_document(origin, descriptor, stop);
        writer.truncate(0);
        writer.write(as_bytes(text));
        writer.commit(
            {.size = descriptor.size, .digest = descriptor.digest, .labels = labels_of(origin, descriptor, text)});
        item.set_offset(descriptor.size);
        item.set(Stage::downloaded);
        return text;
    } catch (const Error&) {
        // There is nothing in it to go on from.
        attempt([&] { writer.abandon(); });
        throw;
    }
}

} // namespace

std::string fetch_document(const Origin& origin, const oci::Descriptor& descriptor, const std::stop_token& stop) {
    return doing([&] { return cat("fetch ", kind_of(descriptor), ' ', descriptor.digest); },
                 [&] {
                     if (descriptor.size > oci::max_document)
                         throw Error(ErrorKind::resource_exhausted, descriptor.size, " bytes, at most ",
                                     oci::max_document, " are read");
                     const bool known = origin.blobs.find(descriptor.digest).has_value();
                     auto stored = find_document(origin, descriptor, stop);
                     if (!stored)
                         return download_document(origin, descriptor, stop);
                     if (!known)
                         origin.progress
                             .add(std::string(kind_of(descriptor)), descriptor.digest.string(), descriptor.size)
                             .set(Stage::exists);
                     return *std::move(stored);
                 });
}

bool make_way_for_layers(const Origin& origin, const std::vector<oci::Descriptor>& layers,
                         const std::stop_token& stop) {
    bool any = false;
    for (const oci::Descriptor& layer : layers)
        if (origin.blobs.find(layer.digest) && make_way(origin, layer, stop))
            any = true;
    return any;
}

std::unique_ptr<Source> open_stored(store::Blobs& blobs, const oci::Descriptor& descriptor) {
    return std::make_unique<StoredBlob>(blobs.open(descriptor.digest), descriptor.digest);
}

bool LayerDownloads::obtain(const oci::Descriptor& layer) {
    const oci::Labels labels = source_labels(origin_, layer.digest);
    // Held by the lease already (Blobs::hold); a transaction per layer to say so again is felt on a disk.
    return (has_labels(origin_, layer.digest, labels) && origin_.blobs.is_whole(layer)) ||
           origin_.blobs.adopt(layer, labels, origin_.lease, tasks_.stop_token());
}

void LayerDownloads::start(std::vector<oci::Descriptor> layers) {
    std::ranges::stable_sort(layers, std::ranges::greater{}, &oci::Descriptor::size);
    for (const oci::Descriptor& layer : layers) {
        {
            const std::scoped_lock lock(mutex_);
            if (!states_.try_emplace(layer.digest).second)
                continue;
        }
        Item& item = origin_.progress.add(std::string(kind_of(layer)), layer.digest.string(), layer.size);
        if (obtain(layer)) {
            item.set(Stage::exists);
            set_stored(layer.digest);
            continue;
        }
        tasks_.start([this, layer, &item](const std::stop_token& stop) {
            const Limiter::Slot slot(limiter_, stop);
            doing([&] { return cat("fetch layer ", layer.digest); }, [&] { download(layer, item, stop); });
        });
    }
}

void LayerDownloads::keep(const std::vector<oci::Descriptor>& layers) {
    for (const oci::Descriptor& layer : layers) {
        {
            const std::scoped_lock lock(mutex_);
            if (!states_.try_emplace(layer.digest).second)
                continue;
        }
        origin_.progress.add(std::string(kind_of(layer)), layer.digest.string(), layer.size)
            .set(obtain(layer) ? Stage::exists : Stage::extracted);
        // Should its snapshot go after all, nobody waits for a download that never comes.
        set_stored(layer.digest);
    }
}

void LayerDownloads::download(const oci::Descriptor& layer, Item& item, const std::stop_token& stop) {
    bool spoilt = false;
    {
        store::BlobWriter writer = origin_.blobs.ingest(ingest_ref(layer), layer, origin_.lease, stop);
        const oci::Labels labels = source_labels(origin_, layer.digest);
        if (origin_.blobs.adopt(layer, labels, origin_.lease, stop)) {
            // Another process wrote it while we waited for the ingest.
            writer.abandon();
            item.set(Stage::exists);
        } else if (writer.offset() == 0) {
            set_follower(layer.digest, writer.follow());
            transfer(writer, layer, item, labels, stop);
        } else {
            // Bytes of an earlier run may be spoilt in a way that only the whole digest shows: nobody follows
            // them, and when they are, the layer is fetched anew.
            item.set_resumed(writer.offset());
            try {
                transfer(writer, layer, item, labels, stop);
            } catch (const Error& error) {
                if (error.kind() != ErrorKind::data_loss)
                    throw;
                writer.abandon();
                spoilt = true;
            }
        }
    }
    if (spoilt) {
        origin_.progress.warn(
            cat("layer ", layer.digest, ": the bytes of an earlier attempt are damaged, fetching it anew"));
        item.set_resumed(0);
        store::BlobWriter writer = origin_.blobs.ingest(ingest_ref(layer), layer, origin_.lease, stop);
        writer.truncate(0);
        transfer(writer, layer, item, source_labels(origin_, layer.digest), stop);
    }
    set_stored(layer.digest);
}

void LayerDownloads::transfer(store::BlobWriter& writer, const oci::Descriptor& layer, Item& item,
                              const oci::Labels& labels, const std::stop_token& stop) {
    item.set(Stage::downloading);
    CountingSink sink(writer, item);
    try {
        if (writer.offset() < layer.size)
            origin_.repository.fetch(layer, writer.offset(), sink, stop);
        writer.commit({.size = layer.size, .digest = layer.digest, .labels = labels});
    } catch (const Error& error) {
        // A resumable part that fills the disk would keep every other command from working.
        // Whoever met the full disk first, the unpacking say, the others are cancelled.
        if (error.kind() == ErrorKind::resource_exhausted ||
            (error.kind() == ErrorKind::cancelled && !origin_.blobs.has_room()))
            attempt([&] { writer.abandon(); });
        throw;
    }
    item.set(Stage::downloaded);
}

void LayerDownloads::set_stored(const oci::Digest& digest) {
    {
        const std::scoped_lock lock(mutex_);
        states_[digest].stored = true;
    }
    changed_.notify_all();
}

void LayerDownloads::set_follower(const oci::Digest& digest, content::Follower follower) {
    {
        const std::scoped_lock lock(mutex_);
        states_[digest].follower.emplace(std::move(follower));
    }
    changed_.notify_all();
}

std::unique_ptr<Source> LayerDownloads::open(const oci::Descriptor& layer, const std::stop_token& stop) {
    {
        std::unique_lock lock(mutex_);
        State& state = states_[layer.digest];
        if (!changed_.wait(lock, stop, [&] { return state.stored || state.follower; }))
            throw Error(ErrorKind::cancelled, "interrupted");
        if (state.follower) {
            auto source = std::make_unique<content::Follower>(*std::move(state.follower));
            state.follower.reset();
            // A second reader of the layer waits for the whole.
            return source;
        }
    }
    return open_stored(origin_.blobs, layer);
}

} // namespace lade::transfer
