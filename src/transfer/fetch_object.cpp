// SPDX-License-Identifier: Apache-2.0
#include "transfer/fetch_object.hpp"

#include "base/error.hpp"
#include "transfer/fetch.hpp"

namespace lade::transfer {

namespace {

void send(registry::Repository& repository, const oci::Descriptor& descriptor, const registry::Options& options,
          Sink& sink, const std::stop_token& stop) {
    const auto warn = [&](const std::string& text) {
        if (options.warn)
            options.warn(text);
    };
    if (descriptor.size <= oci::max_document) {
        const std::string text = doing([&] { return descriptor.digest.string(); },
                                       [&] { return receive_document(repository, descriptor, stop, warn); });
        sink.write(as_bytes(text));
        return;
    }
    oci::HashingSink hashed(sink, descriptor.digest.algorithm());
    repository.fetch(descriptor, 0, hashed, stop);
    const oci::Digest found = hashed.digest();
    if (found == descriptor.digest)
        return;
    // What is out cannot be taken back.
    Error error(ErrorKind::data_loss, descriptor.digest, ": the content received has digest ", found);
    if (const std::string host = repository.blame(descriptor.digest).host; !host.empty())
        error.add_context(host);
    throw error; // NOLINT(misc-throw-by-value-catch-by-reference)
}

} // namespace

void fetch_object(const oci::Reference& reference, const registry::Options& options, Sink& sink,
                  const std::stop_token& stop) {
    doing([&] { return cat("fetch ", reference.string()); },
          [&] {
              registry::Repository repository(reference, options);
              const oci::Descriptor object = reference.digest()
                                                 ? repository.resolve_blob(*reference.digest(), true, stop)
                                                 : repository.resolve(stop);
              send(repository, object, options, sink, stop);
          });
}

void fetch_blobs(const oci::Reference& reference, const std::vector<oci::Digest>& digests,
                 const std::string& media_type, const registry::Options& options, Sink& sink,
                 const std::stop_token& stop) {
    const bool document = oci::media_type::is_document(media_type);
    registry::Repository repository(reference, options);
    for (const oci::Digest& digest : digests)
        doing([&] { return cat("fetch ", reference.repository(), '@', digest); },
              [&] {
                  oci::Descriptor descriptor = repository.resolve_blob(digest, document, stop);
                  // Where it was found decides what it is asked for as.
                  if (!document && !media_type.empty() && !oci::media_type::is_document(descriptor.media_type))
                      descriptor.media_type = media_type;
                  send(repository, descriptor, options, sink, stop);
              });
}

} // namespace lade::transfer
