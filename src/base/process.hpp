// SPDX-License-Identifier: Apache-2.0
// Other processes, as /proc tells of them. What is gone meanwhile, or another user's, is as good as empty: these
// answers are for people.
#pragma once

#include <string>
#include <vector>

namespace lade {

// Their numbers.
std::vector<std::string> process_ids();

// A file of /proc, and the names in a directory there.
std::string text_in_proc(const std::string& path);
std::vector<std::string> names_in_proc(const std::string& path);

// "process 1234 (lade images pull x)". Options of a command line and what may be their values are left out: they may
// hold a password.
std::string describe_process(const std::string& id);

} // namespace lade
