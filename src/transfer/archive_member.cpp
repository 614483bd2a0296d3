// SPDX-License-Identifier: Apache-2.0
#include "transfer/archive_member.hpp"

#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "transfer/verified_source.hpp"

namespace lade::transfer {

namespace {

Member new_member(const oci::Descriptor& descriptor, Progress& progress) {
    return {.name = {},
            .size = descriptor.size,
            .digest = descriptor.digest,
            .item = &progress.add(std::string(kind_of(descriptor)), descriptor.digest.string(), descriptor.size)};
}

void copy_bytes(const Member& member, Sink& sink, const std::stop_token& stop) {
    if (!member.open) {
        sink.write(as_bytes(member.text));
        return;
    }
    const auto source = member.open(stop);
    copy(*source, sink);
}

} // namespace

std::unique_ptr<Source> open_verified(const OpenBlobs& blobs, const oci::Descriptor& blob,
                                      const std::stop_token& stop) {
    return std::make_unique<VerifiedSource>(blobs.open(blob), blob.digest, blob.size,
                                            cat(kind_of(blob), ' ', blob.digest), stop);
}

Member stored_member(OpenBlobs& blobs, const oci::Descriptor& blob, Progress& progress) {
    blobs.hold(blob.digest);
    Member member = new_member(blob, progress);
    member.open = [&blobs, blob](const std::stop_token& stop) { return open_verified(blobs, blob, stop); };
    return member;
}

Member made_member(const oci::Descriptor& document, std::string text, Progress& progress) {
    Member member = new_member(document, progress);
    member.text = std::move(text);
    return member;
}

void copy_member(const Member& member, Sink& sink, const std::stop_token& stop) {
    if (member.item == nullptr) {
        copy_bytes(member, sink, stop);
        return;
    }
    member.item->set(Stage::writing);
    CountingSink counted(sink, *member.item);
    copy_bytes(member, counted, stop);
    member.item->set(Stage::written);
}

} // namespace lade::transfer
