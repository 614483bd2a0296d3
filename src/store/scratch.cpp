// SPDX-License-Identifier: Apache-2.0
#include "store/scratch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"

namespace lade::store {

Fd scratch_file(const Store& store) {
    return doing("scratch file", [&] {
        // In the trash: killed between the two, it goes as what lies there does.
        const std::string name = Store::trash_name("scratch");
        Fd file = open_at(store.trash(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
        // Whoever empties the trash may have been faster.
        if (::unlinkat(store.trash(), name.c_str(), 0) != 0 && errno != ENOENT)
            throw_errno(errno, "remove trash/", name);
        return file;
    });
}

} // namespace lade::store
