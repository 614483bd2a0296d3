// SPDX-License-Identifier: Apache-2.0
#include "transfer/fetch.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "oci/schema1.hpp"
#include "transfer/owned_file.hpp"
#include "transfer/source_labels.hpp"

namespace lade::transfer {

namespace {

oci::Labels source_labels(const Origin& origin, const oci::Digest& digest) {
    return origin.reference == nullptr ? oci::Labels{}
                                       : transfer::source_labels(origin.blobs, *origin.reference, digest);
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

std::string download_document(const Origin& origin, const oci::Descriptor& descriptor, const std::stop_token& stop) {
    Item& item = origin.progress.add(std::string(kind_of(descriptor)), descriptor.digest.string(), descriptor.size);
    // Of several processes one fetches, the others wait here.
    store::BlobWriter writer =
        origin.blobs.ingest(ingest_ref(descriptor), descriptor, origin.lease, stop, origin.provider.is_resumed());
    if (auto stored = find_document(origin, descriptor, stop)) {
        writer.abandon();
        item.set(Stage::exists);
        return *std::move(stored);
    }
    item.set(origin.provider.arriving());
    try {
        std::string text = receive_document(origin.provider, descriptor, stop,
                                            [&](const std::string& warning) { origin.progress.warn(warning); });
        writer.truncate(0);
        writer.write(as_bytes(text));
        writer.commit(
            {.size = descriptor.size, .digest = descriptor.digest, .labels = labels_of(origin, descriptor, text)});
        item.set_offset(descriptor.size);
        item.set(origin.provider.arrived());
        return text;
    } catch (const Error&) {
        // There is nothing in it to go on from.
        attempt([&] { writer.abandon(); });
        throw;
    }
}

} // namespace

std::string ingest_ref(const oci::Descriptor& descriptor) {
    return cat(kind_of(descriptor), '-', descriptor.digest);
}

std::string receive_document(registry::Repository& repository, const oci::Descriptor& descriptor,
                             const std::stop_token& stop, const std::function<void(const std::string&)>& warn) {
    RepositoryProvider provider(repository);
    return receive_document(provider, descriptor, stop, warn);
}

std::string receive_document(Provider& provider, const oci::Descriptor& descriptor, const std::stop_token& stop,
                             const std::function<void(const std::string&)>& warn) {
    for (;;) {
        const bool is_schema1 = oci::media_type::is_schema1(descriptor.media_type);
        StringSink sink(is_schema1 ? oci::max_schema1 : oci::max_document, descriptor.digest.string());
        provider.fetch(descriptor, 0, sink, stop);
        std::string text = sink.take();
        // Hostile bytes are not parsed: the digest comes first. That of schema 1 is of what the signatures tell.
        std::optional<Error> wrong;
        try {
            const oci::Digest found =
                oci::document_digest(descriptor.media_type, text, descriptor.digest.algorithm(), "the content");
            if (found == descriptor.digest)
                return text;
            wrong.emplace(ErrorKind::data_loss, "the content received has digest ", found, " (", text.size(),
                          " bytes)");
        } catch (const Error& error) {
            wrong.emplace(error);
        }
        provider.blame(descriptor, *std::move(wrong), warn);
    }
}

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

std::unique_ptr<Source> open_stored(store::Blobs& blobs, const oci::Descriptor& descriptor, std::uint64_t offset) {
    return std::make_unique<OwnedFile>(blobs.open(descriptor.digest), descriptor.digest.string(), offset);
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
    while (!try_download(layer, item, stop)) {
    }
    set_stored(layer.digest);
}

bool LayerDownloads::try_download(const oci::Descriptor& layer, Item& item, const std::stop_token& stop) {
    store::BlobWriter writer =
        origin_.blobs.ingest(ingest_ref(layer), layer, origin_.lease, stop, origin_.provider.is_resumed());
    const oci::Labels labels = source_labels(origin_, layer.digest);
    if (origin_.blobs.adopt(layer, labels, origin_.lease, stop)) {
        // Another process wrote it while we waited for the ingest.
        writer.abandon();
        item.set(Stage::exists);
        return true;
    }
    const bool is_first = may_go_on(layer.digest);
    if (!is_first)
        writer.truncate(0);
    // Bytes of an earlier run may be spoilt in a way that only the whole digest shows: nobody follows them, and when
    // they are, the layer is fetched anew. Nor is a second attempt followed.
    const bool resumed = writer.offset() > 0;
    if (is_first && !resumed)
        set_follower(layer.digest, writer.follow());
    item.set_resumed(writer.offset());
    try {
        transfer(writer, layer, item, labels, stop);
        return true;
    } catch (const Error& error) {
        const auto* const wrong = dynamic_cast<const WrongBytes*>(&error);
        if (error.kind() != ErrorKind::data_loss || (!resumed && wrong == nullptr))
            throw;
        attempt([&] { writer.abandon(); });
        const auto warn = [&](const std::string& warning) { origin_.progress.warn(warning); };
        if (resumed)
            warn(cat("layer ", layer.digest, ": the bytes of an earlier attempt are damaged, fetching it anew"));
        else
            origin_.provider.blame(layer, Error(error.kind(), error.message()), warn);
        if (is_read(layer.digest))
            throw;
        return false;
    }
}

void LayerDownloads::transfer(store::BlobWriter& writer, const oci::Descriptor& layer, Item& item,
                              const oci::Labels& labels, const std::stop_token& stop) {
    item.set(origin_.provider.arriving());
    CountingSink sink(writer, item);
    try {
        if (writer.offset() < layer.size)
            origin_.provider.fetch(layer, writer.offset(), sink, stop);
        try {
            writer.commit({.size = layer.size, .digest = layer.digest, .labels = labels});
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::data_loss)
                throw;
            throw WrongBytes(error.message());
        }
    } catch (const Error& error) {
        // A resumable part that fills the disk would keep every other command from working.
        // Whoever met the full disk first, the unpacking say, the others are cancelled.
        const bool is_full = error.kind() == ErrorKind::resource_exhausted ||
                             (error.kind() == ErrorKind::cancelled && !origin_.blobs.has_room());
        attempt([&] {
            // Nor is there anything to go on from in one without a byte.
            if (is_full || writer.offset() == 0 || !writer.is_resumable())
                writer.abandon();
        });
        throw;
    }
    item.set(origin_.provider.arrived());
}

bool LayerDownloads::may_go_on(const oci::Digest& digest) {
    const std::scoped_lock lock(mutex_);
    return !std::exchange(states_[digest].begun, true);
}

bool LayerDownloads::is_read(const oci::Digest& digest) {
    const std::scoped_lock lock(mutex_);
    State& state = states_[digest];
    state.follower.reset();
    return state.reading;
}

void LayerDownloads::wait_for_verdict(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto is_open = [](const auto& one) { return one.second.reading && !one.second.stored; };
    if (!changed_.wait(lock, stop, [&] { return std::ranges::none_of(states_, is_open); }))
        throw Error(ErrorKind::cancelled, "interrupted");
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
            state.reading = true;
            // A second reader of the layer waits for the whole.
            return source;
        }
    }
    return open_stored(origin_.blobs, layer);
}

} // namespace lade::transfer
