// SPDX-License-Identifier: Apache-2.0
// What this process may do to files that a user may not, and how an ordinary user gets some of it: as root of a user
// namespace (user_namespaces(7)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lade {

enum class Privilege {
    none,      // an ordinary user
    contained, // root that may not mount (CAP_SYS_ADMIN), as in most containers: may give files to others
    single,    // root of a user namespace in which there is no other owner: may mount, and enters closed directories
    mapped,    // root of a user namespace with a range of owners: may give files to them, too
    root,      // of the machine: may make devices, too, and set what the kernel trusts
};

// Of this process, now.
Privilege privilege();

constexpr bool may_mount(Privilege privilege) noexcept {
    return privilege >= Privilege::single;
}
constexpr bool may_enter_all(Privilege privilege) noexcept {
    return privilege != Privilege::none;
}
constexpr bool may_set_owner(Privilege privilege) noexcept {
    return privilege == Privilege::contained || privilege >= Privilege::mapped;
}
constexpr bool may_make_devices(Privilege privilege) noexcept {
    return privilege == Privilege::root;
}

// The user's number outside of a user namespace where it may be another: on the machine, or in what is around us.
std::uint64_t user_outside();

// Makes an ordinary user the root of a new user namespace, with the owners that /etc/subuid and /etc/subgid grant if
// newuidmap(1) and newgidmap(1) can give them. The process must have one thread. What kept it from becoming Privilege::
// mapped, for people; nullopt: nothing did, or it is more than an ordinary user already. An Error: it is in a namespace
// where it is nobody.
std::optional<std::string> enter_user_namespace();

} // namespace lade
