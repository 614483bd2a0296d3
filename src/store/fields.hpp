// SPDX-License-Identifier: Apache-2.0
// What filters call the fields of what the store keeps.
#pragma once

#include "meta/fields.hpp"

namespace lade::store {

using meta::fields;
using meta::ordered_fields;

} // namespace lade::store
