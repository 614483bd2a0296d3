// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/stream.hpp"
#include "base/text.hpp"
#include "cli/content.hpp"
#include "cli/editor.hpp"
#include "cli/holder.hpp"
#include "cli/input.hpp"
#include "store/blobs.hpp"

namespace lade::cli {

namespace {

struct Made {
    oci::Digest digest;
    std::optional<store::Kept> kept;
};

// What a new blob is given, and what holds it: the lease of --lease, or else one of a day.
struct BlobFlags {
    std::vector<std::string> labels;
    bool no_lease = false;
};

void add_blob_flags(const Command& command, BlobFlags& flags) {
    command.add_list("--label", flags.labels, "a label of the blob, key=value; may be repeated").type_name("KEY=VALUE");
    command.add_flag("--no-lease", flags.no_lease, "leave the blob to the next collection");
}

Made make(Context& context, Source& source, const store::WriterOptions& options, const BlobFlags& flags) {
    const oci::Labels labels = parse_labels(flags.labels);
    store::Store& store = context.store();
    store::LeaseHold lease(store, context.name_space, context.lease);
    Made made{
        .digest = store::Blobs(store, context.name_space).put(source, options, labels, lease, context.stop()),
        .kept = std::nullopt,
    };
    made.kept = keep(context, flags.no_lease, {.type = "content", .key = made.digest.string()});
    return made;
}

void report(Context& context, const Made& made) {
    if (context.json) {
        Json document = holder_json(context, made.kept);
        document["digest"] = made.digest.string();
        context.print_json(document);
    }
    tell_holder(context, cat("content ", made.digest), made.kept);
}

struct IngestFlags {
    std::string ref;
    std::string size;
    std::string digest;
    BlobFlags blob;
};

void ingest(Context& context, const IngestFlags& flags) {
    store::WriterOptions options{.ref = flags.ref, .digest = std::nullopt, .size = 0};
    if (!flags.digest.empty())
        options.digest = oci::Digest::parse(flags.digest);
    if (!flags.size.empty()) {
        const auto size = parse_size(flags.size);
        if (!size)
            throw Error(ErrorKind::invalid_argument, "--expected-size \"", printable(flags.size), "\": not a size");
        options.size = *size;
    }
    Input input(context.stop());
    report(context, doing([&] { return cat("ingest ", printable(flags.ref)); },
                          [&] { return make(context, input, options, flags.blob); }));
}

// A file of our own that an editor may replace by another; removed at the end.
class EditedFile {
public:
    EditedFile() {
        // After su(1) the first is another user's, or gone.
        for (const char* variable : {"XDG_RUNTIME_DIR", "TMPDIR", ""}) {
            const char* directory = *variable == '\0' ? "/tmp" : std::getenv(variable);
            if (directory == nullptr || *directory == '\0')
                continue;
            path_ = cat(directory, "/lade-edit-XXXXXX");
            file_ = Fd(::mkostemp(path_.data(), O_CLOEXEC));
            if (file_)
                return;
        }
        throw_errno(errno, "make ", printable(path_));
    }
    ~EditedFile() { ::unlink(path_.c_str()); }
    EditedFile(const EditedFile&) = delete;
    EditedFile& operator=(const EditedFile&) = delete;

    const std::string& path() const noexcept { return path_; }
    void fill(Source& source) {
        std::vector<std::byte> buffer(1 << 16);
        while (const std::size_t n = source.read(buffer))
            write_all(file_.get(), std::span(buffer).first(n), path_);
        file_.reset();
    }
    Fd edited() const { return open_at(AT_FDCWD, path_, O_RDONLY | O_NOFOLLOW); }

private:
    std::string path_;
    Fd file_;
};

struct EditFlags {
    std::string digest;
    std::string editor;
    BlobFlags blob;
};

void edit(Context& context, const EditFlags& flags) {
    if (flags.editor.empty())
        throw Error(ErrorKind::invalid_argument, "content edit needs an editor: set EDITOR or give --editor");
    const oci::Digest digest = resolve_digest(context, flags.digest);
    EditedFile file;
    {
        const Fd blob = store::Blobs(context.existing_store(), context.name_space).open(digest);
        FileSource source(blob.get(), digest.string());
        oci::HashingSource hashed(source, digest.algorithm());
        file.fill(hashed);
        if (hashed.digest() != digest)
            throw Error(ErrorKind::data_loss, "content ", digest, ": its file has other content");
    }
    run_editor(flags.editor, file.path(), context.stop());
    const Fd edited = file.edited();
    FileSource source(edited.get(), file.path());
    const Made made =
        make(context, source, {.ref = cat("edit-", digest), .digest = std::nullopt, .size = 0}, flags.blob);
    if (!context.json)
        context.print(cat(made.digest, '\n'));
    report(context, made);
}

} // namespace

void add_ingest(const Command& group, Context& context) {
    const Command ingest_command = group.add_command("ingest", "make a blob of standard input");
    needs_rows_only(ingest_command, context);
    auto flags = std::make_shared<IngestFlags>();
    ingest_command.add_option("ref", flags->ref, "a name under which an attempt that fails can be gone on with")
        .required();
    ingest_command.add_option("--expected-size", flags->size, "refuse another size; 512, 10MB, 1MiB").type_name("SIZE");
    ingest_command.add_option("--expected-digest", flags->digest, "refuse another digest; one that is here suffices")
        .type_name("DIGEST");
    add_blob_flags(ingest_command, flags->blob);
    add_json(ingest_command, context);
    ingest_command.runs(context, [&context, flags] { ingest(context, *flags); });

    const Command edit_command = group.add_command("edit", "edit a blob's bytes into a new blob");
    needs_rows_only(edit_command, context);
    auto edit_flags = std::make_shared<EditFlags>();
    edit_command.add_option("digest", edit_flags->digest, "the blob, or the start of its digest; it stays as it is")
        .required();
    edit_command.add_option("--editor", edit_flags->editor, "the editor's command line")
        .envname("EDITOR")
        .type_name("COMMAND");
    add_blob_flags(edit_command, edit_flags->blob);
    add_json(edit_command, context);
    edit_command.runs(context, [&context, edit_flags] { edit(context, *edit_flags); });

    const Command abort_command = group.add_command("abort", "throw away what was ingested of unfinished blobs");
    auto refs = std::make_shared<std::vector<std::string>>();
    abort_command.add_option("ref", *refs, "the ingests, as content active lists them").required();
    abort_command.runs(context, [&context, refs] {
        static_cast<void>(context.existing_store());
        store::Blobs blobs(context.store(), context.name_space);
        for_each_item(*refs, [&](const std::string& ref) {
            blobs.abort(ref, context.lease);
            context.print(printable(ref) + "\n");
        });
    });
}

} // namespace lade::cli
