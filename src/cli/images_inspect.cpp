// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/images.hpp"
#include "store/blobs.hpp"
#include "transfer/image_summary.hpp"

namespace lade::cli {

namespace {

class Tree {
public:
    Tree(store::Blobs& blobs, bool content) : blobs_(blobs), content_(content) {}

    std::string text(const store::Image& image) {
        out_ = cat(printable(image.name), "\n│    Created: ", rfc3339(image.created),
                   "\n│    Updated: ", rfc3339(image.updated), "\n");
        for (const auto& [key, value] : image.labels)
            out_ += cat("│    Label \"", printable(key), "\": \"", printable(value), "\"\n");
        add(image.target, "", true);
        return std::move(out_);
    }

    Json json(const oci::Descriptor& descriptor) {
        Json node = to_json(descriptor);
        if (descriptor.platform)
            node["platform"] = to_string(*descriptor.platform);
        const auto blob = blobs_.find(descriptor.digest);
        node["present"] = blob.has_value();
        if (blob)
            node["labels"] = labels_json(blob->labels);
        if (blob && shows_content(descriptor))
            node["content"] = read(descriptor);
        if (const auto children = transfer::children_of(blobs_, descriptor); !children.empty()) {
            node["children"] = Json::array();
            for (const oci::Descriptor& child : children)
                node["children"].push_back(json(child));
        }
        return node;
    }

    // Of the manifest that stands for the image here, or null when it has none, or that is not here.
    Json config(const oci::Descriptor& target) {
        const auto image =
            transfer::find_platform_image(blobs_, target, oci::host_platform(), transfer::Standin::first);
        if (!image || !image->is_image() || !blobs_.find(image->manifest.config.digest))
            return {};
        return read(image->manifest.config);
    }

private:
    void add(const oci::Descriptor& descriptor, const std::string& indent, bool last) {
        out_ += cat(indent, last ? "└── " : "├── ", printable(descriptor.media_type), " @", descriptor.digest, " (",
                    descriptor.size, " bytes)\n");
        const std::string below = cat(indent, last ? "    " : "│   ");
        if (descriptor.platform)
            out_ += cat(below, " Platform: ", printable(to_string(*descriptor.platform)), "\n");
        const auto blob = blobs_.find(descriptor.digest);
        if (!blob) {
            out_ += cat(below, "└──  Content does not exist locally, skipping\n");
            return;
        }
        if (content_)
            add_boxes(descriptor, *blob, below);
        const auto children = transfer::children_of(blobs_, descriptor);
        for (std::size_t i = 0; i < children.size(); ++i)
            add(children[i], below, i + 1 == children.size());
    }

    bool shows_content(const oci::Descriptor& descriptor) const {
        return content_ && descriptor.media_type.ends_with("json");
    }

    Json read(const oci::Descriptor& descriptor) {
        return parse_json(blobs_.read_document(descriptor), descriptor.digest.string());
    }

    // Members as the document has them, which was found well-formed before.
    std::string in_its_order(const oci::Descriptor& descriptor) {
        static_cast<void>(read(descriptor));
        using Ordered = nlohmann::ordered_json;
        return Ordered::parse(blobs_.read_document(descriptor)).dump(3, ' ', false, Ordered::error_handler_t::replace);
    }

    // ctr's own form.
    void add_boxes(const oci::Descriptor& descriptor, const store::Blob& blob, const std::string& indent) {
        constexpr std::string_view bottom = "└───────────────────────\n";
        if (!blob.labels.empty()) {
            out_ += cat(indent, "┌────────Labels─────────\n");
            for (const auto& [key, value] : blob.labels)
                out_ += cat(indent, "│\"", printable(key), "\": \"", printable(value), "\"\n");
            out_ += cat(indent, bottom);
        }
        if (!shows_content(descriptor))
            return;
        out_ += cat(indent, "┌────────Content────────\n");
        for (const std::string& line : split(in_its_order(descriptor), '\n'))
            out_ += cat(indent, "│", printable(line), "\n");
        out_ += cat(indent, bottom);
    }

    store::Blobs& blobs_;
    bool content_;
    std::string out_;
};

} // namespace

void add_inspect(const Command& group, Context& context) {
    const Command command = group.add_command("inspect", "show what an image consists of", {"i"});
    needs_rows_only(command, context);
    struct Flags {
        std::string name;
        bool content = false;
    };
    auto flags = std::make_shared<Flags>();
    command.add_option("ref", flags->name, "the image").required();
    command.add_flag("--content", flags->content, "show labels and the text of JSON documents too");
    add_json(command, context);
    command.runs(context, [&context, flags] {
        const store::Image image = get_image(context, flags->name);
        store::Blobs blobs(context.existing_store(), context.name_space);
        Tree tree(blobs, flags->content);
        if (!context.json) {
            context.print(tree.text(image));
            return;
        }
        Json document = to_json(image);
        document["tree"] = tree.json(image.target);
        document["config"] = tree.config(image.target);
        context.print_json(document);
    });
}

} // namespace lade::cli
