// SPDX-License-Identifier: Apache-2.0
#include "transfer/fetch_object.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "oci/schema1.hpp"
#include "transfer/blame.hpp"

namespace lade::transfer {

namespace {

void send(registry::Repository& repository, const oci::Descriptor& descriptor, Sink& sink,
          const std::stop_token& stop) {
    const auto mismatch = [&](const oci::Digest& found) {
        return Error(ErrorKind::data_loss, descriptor.digest, ": the content received has digest ", found);
    };
    if (descriptor.size > oci::max_document) {
        oci::HashingSink hashed(sink, descriptor.digest.algorithm());
        repository.fetch(descriptor, 0, hashed, stop);
        const oci::Digest found = hashed.digest();
        if (found == descriptor.digest)
            return;
        // What is out cannot be taken back.
        Error error = mismatch(found);
        if (const std::string host = repository.blame(descriptor.digest).host; !host.empty())
            error.add_context(host);
        throw error; // NOLINT(misc-throw-by-value-catch-by-reference)
    }
    for (;;) {
        StringSink whole(oci::max_document, descriptor.digest.string());
        repository.fetch(descriptor, 0, whole, stop);
        const std::string text = whole.take();
        const oci::Digest found =
            oci::document_digest(descriptor.media_type, text, descriptor.digest.algorithm(), "the content");
        if (found == descriptor.digest) {
            sink.write(as_bytes(text));
            return;
        }
        blame(repository, descriptor, mismatch(found), [](const std::string&) {});
    }
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
              send(repository, object, sink, stop);
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
                  send(repository, descriptor, sink, stop);
              });
}

} // namespace lade::transfer
