// SPDX-License-Identifier: Apache-2.0
// Which image is meant by what a person types: the name of a record as it is; else the reference that the text is
// short for; else the beginning of an image ID or of a target's digest, "sha256:" left out or not, at least three
// hexadecimal digits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/images.hpp"

namespace lade::transfer {

// Every name of the one target that is meant, in byte order: one for a text that is a name, several where an ID has
// several names. Empty when there is none. invalid_argument: the text begins several targets; it lists them.
std::vector<store::Image> find_images(store::Store& store, const std::string& name_space, const std::string& text);

// The first of these names, for what reads: they all say the same.
std::optional<store::Image> find_image(store::Store& store, const std::string& name_space, const std::string& text);
// not_found names the text.
store::Image get_image(store::Store& store, const std::string& name_space, const std::string& text);

// The only one, for what changes a name. not_found; failed_precondition lists the names when there are several.
store::Image get_only_image(store::Store& store, const std::string& name_space, const std::string& text);

// True when the text names the image, as it is or in short; false for an ID.
bool is_named(const store::Image& image, const std::string& text);

// "a, b, c", fit to be shown.
std::string list_names(const std::vector<store::Image>& images);

} // namespace lade::transfer
