// SPDX-License-Identifier: Apache-2.0
#include "oci/runtime_spec.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace lade::oci {

namespace {

constexpr const char* default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

constexpr std::array default_capabilities{"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
                                          "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
                                          "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
                                          "CAP_KILL",    "CAP_AUDIT_WRITE"};

// In the kernel's order.
constexpr std::array all_capabilities{"CAP_CHOWN",
                                      "CAP_DAC_OVERRIDE",
                                      "CAP_DAC_READ_SEARCH",
                                      "CAP_FOWNER",
                                      "CAP_FSETID",
                                      "CAP_KILL",
                                      "CAP_SETGID",
                                      "CAP_SETUID",
                                      "CAP_SETPCAP",
                                      "CAP_LINUX_IMMUTABLE",
                                      "CAP_NET_BIND_SERVICE",
                                      "CAP_NET_BROADCAST",
                                      "CAP_NET_ADMIN",
                                      "CAP_NET_RAW",
                                      "CAP_IPC_LOCK",
                                      "CAP_IPC_OWNER",
                                      "CAP_SYS_MODULE",
                                      "CAP_SYS_RAWIO",
                                      "CAP_SYS_CHROOT",
                                      "CAP_SYS_PTRACE",
                                      "CAP_SYS_PACCT",
                                      "CAP_SYS_ADMIN",
                                      "CAP_SYS_BOOT",
                                      "CAP_SYS_NICE",
                                      "CAP_SYS_RESOURCE",
                                      "CAP_SYS_TIME",
                                      "CAP_SYS_TTY_CONFIG",
                                      "CAP_MKNOD",
                                      "CAP_LEASE",
                                      "CAP_AUDIT_WRITE",
                                      "CAP_AUDIT_CONTROL",
                                      "CAP_SETFCAP",
                                      "CAP_MAC_OVERRIDE",
                                      "CAP_MAC_ADMIN",
                                      "CAP_SYSLOG",
                                      "CAP_WAKE_ALARM",
                                      "CAP_BLOCK_SUSPEND",
                                      "CAP_AUDIT_READ",
                                      "CAP_PERFMON",
                                      "CAP_BPF",
                                      "CAP_CHECKPOINT_RESTORE"};

constexpr std::array masked_paths{
    "/proc/acpi",       "/proc/asound",      "/proc/kcore",       "/proc/keys",    "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/sys/devices/virtual/powercap",
    "/proc/scsi"};
constexpr std::array read_only_paths{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

constexpr std::array propagations{"private", "rprivate", "shared",     "rshared",
                                  "slave",   "rslave",   "unbindable", "runbindable"};
constexpr std::array namespace_types{"pid", "ipc", "uts", "mount", "network", "cgroup", "user", "time"};

template <typename List>
bool contains(const List& list, std::string_view text) {
    return std::ranges::find(list, text) != list.end();
}

std::vector<std::string> strings(const Json& object, std::string_view key) {
    std::vector<std::string> all;
    if (const Json* array = find_array(object, key))
        for (const Json& item : *array) {
            if (!item.is_string())
                throw Error(ErrorKind::invalid_argument, "\"", key, "\" holds something that is not a string");
            all.push_back(item.get<std::string>());
        }
    return all;
}

std::string key_of(const std::string& variable) {
    return variable.substr(0, variable.find('='));
}

// The later of two wins, in the place of the earlier; a name alone takes the variable away.
std::vector<std::string> environment(const Execution& image, const SpecOptions& options) {
    std::vector<std::string> all{default_path};
    const auto put = [&](const std::string& variable) {
        const auto same = std::ranges::find(all, key_of(variable), key_of);
        if (variable.find('=') == std::string::npos) {
            if (same != all.end())
                all.erase(same);
        } else if (same != all.end()) {
            *same = variable;
        } else {
            all.push_back(variable);
        }
    };
    if (options.terminal)
        put("TERM=xterm");
    for (const auto* variables : {&image.environment, &options.environment})
        for (const std::string& variable : *variables)
            put(variable);
    return all;
}

std::string capability(const std::string& text) {
    std::string name = text;
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    if (!name.starts_with("CAP_"))
        name.insert(0, "CAP_");
    if (!contains(all_capabilities, name))
        throw Error(ErrorKind::invalid_argument, "capability \"", printable(text), "\" is not known");
    return name;
}

Json capabilities(const SpecOptions& options) {
    std::vector<std::string> set(default_capabilities.begin(), default_capabilities.end());
    if (options.privileged)
        set.assign(all_capabilities.begin(), all_capabilities.end());
    for (const std::string& text : options.added_capabilities)
        if (std::string name = capability(text); !contains(set, name))
            set.push_back(std::move(name));
    for (const std::string& text : options.dropped_capabilities)
        std::erase(set, capability(text));
    return {{"bounding", set}, {"effective", set}, {"permitted", set}};
}

Json process(const Execution& image, const SpecOptions& options) {
    std::vector<std::string> arguments = image.entrypoint;
    const std::vector<std::string>& command = options.arguments.empty() ? image.command : options.arguments;
    arguments.insert(arguments.end(), command.begin(), command.end());
    if (arguments.empty())
        throw Error(ErrorKind::invalid_argument, "nothing to run: the image has no command and none is given");
    std::string directory = options.directory.empty() ? image.directory : options.directory;
    if (directory.empty())
        directory = "/";
    if (!directory.starts_with('/'))
        throw Error(ErrorKind::invalid_argument, "working directory \"", printable(directory), "\" is not absolute");
    Json json{{"user", {{"uid", options.user.id}, {"gid", options.user.group}}},
              {"args", arguments},
              {"env", environment(image, options)},
              {"cwd", directory},
              {"capabilities", capabilities(options)},
              {"rlimits", {{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}}},
              {"noNewPrivileges", !options.new_privileges && !options.privileged}};
    if (!options.user.groups.empty())
        json["user"]["additionalGids"] = options.user.groups;
    if (options.terminal)
        json["terminal"] = true;
    return json;
}

Json to_json(const SpecMount& mount) {
    Json json{{"destination", mount.destination}, {"options", mount.options}};
    if (!mount.type.empty())
        json["type"] = mount.type;
    if (!mount.source.empty())
        json["source"] = mount.source;
    return json;
}

Json mounts(const SpecOptions& options) {
    const char* access = options.privileged ? "rw" : "ro";
    std::vector<SpecMount> all{
        {"proc", "proc", "/proc", {"nosuid", "noexec", "nodev"}},
        {"tmpfs", "tmpfs", "/dev", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
        {"devpts", "devpts", "/dev/pts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
        {"tmpfs", "shm", "/dev/shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
        {"mqueue", "mqueue", "/dev/mqueue", {"nosuid", "noexec", "nodev"}},
        {"sysfs", "sysfs", "/sys", {"nosuid", "noexec", "nodev", access}},
        {"tmpfs", "tmpfs", "/run", {"nosuid", "strictatime", "mode=755", "size=65536k"}}};
    if (options.host_network)
        for (const char* file : {"/etc/hosts", "/etc/resolv.conf"})
            all.push_back({"bind", file, file, {"rbind", "ro"}});
    all.insert(all.end(), options.mounts.begin(), options.mounts.end());
    Json array = Json::array();
    for (const SpecMount& mount : all)
        array.push_back(to_json(mount));
    return array;
}

Json namespaces(const SpecOptions& options) {
    std::map<std::string, std::string> paths{{"pid", ""}, {"ipc", ""}, {"uts", ""}, {"mount", ""}};
    if (!options.host_network)
        paths["network"] = "";
    for (const std::string& text : options.namespaces) {
        const std::size_t colon = text.find(':');
        const std::string type = text.substr(0, colon);
        if (colon == std::string::npos || colon + 1 == text.size() || !contains(namespace_types, type))
            throw Error(ErrorKind::invalid_argument, "namespace \"", printable(text), "\" is not type:path");
        paths[type] = text.substr(colon + 1);
    }
    Json array = Json::array();
    for (const auto& [type, path] : paths) {
        array.push_back({{"type", type}});
        if (!path.empty())
            array.back()["path"] = path;
    }
    return array;
}

Json resources(const SpecOptions& options) {
    const auto device = [](int major, std::optional<int> minor) {
        Json rule{{"allow", true}, {"type", "c"}, {"major", major}, {"access", "rwm"}};
        if (minor)
            rule["minor"] = *minor;
        return rule;
    };
    Json devices = Json::array({{{"allow", options.privileged}, {"access", "rwm"}}});
    if (!options.privileged)
        for (const auto& [major, minor] : std::initializer_list<std::pair<int, std::optional<int>>>{
                 {1, 3}, {1, 8}, {1, 7}, {5, 0}, {1, 5}, {1, 9}, {5, 1}, {136, std::nullopt}, {5, 2}})
            devices.push_back(device(major, minor));
    Json json{{"devices", devices}};
    if (options.memory_limit)
        json["memory"]["limit"] = *options.memory_limit;
    if (options.cpu_quota)
        json["cpu"]["quota"] = *options.cpu_quota;
    if (options.cpu_period)
        json["cpu"]["period"] = *options.cpu_period;
    return json;
}

Json linux_part(const SpecOptions& options) {
    Json json{{"cgroupsPath", cat('/', options.name_space, '/', options.id)},
              {"namespaces", namespaces(options)},
              {"resources", resources(options)}};
    if (!options.privileged) {
        json["maskedPaths"] = masked_paths;
        json["readonlyPaths"] = read_only_paths;
    }
    if (!options.propagation.empty()) {
        if (!contains(propagations, options.propagation))
            throw Error(ErrorKind::invalid_argument, "propagation \"", printable(options.propagation),
                        "\" is not known");
        json["rootfsPropagation"] = options.propagation;
    }
    return json;
}

} // namespace

Execution parse_execution(std::string_view text, std::string_view what) {
    const Json document = parse_json(text, what);
    return doing(what, [&] {
        Execution execution;
        const Json* config = document.is_object() ? find_object(document, "config") : nullptr;
        if (config == nullptr)
            return execution;
        execution.environment = strings(*config, "Env");
        execution.entrypoint = strings(*config, "Entrypoint");
        execution.command = strings(*config, "Cmd");
        execution.directory = find_string(*config, "WorkingDir").value_or("");
        execution.user = find_string(*config, "User").value_or("");
        execution.stop_signal = find_string(*config, "StopSignal").value_or("");
        if (const Json* labels = find_object(*config, "Labels"))
            for (const auto& [key, value] : labels->items())
                if (value.is_string())
                    execution.labels.emplace(key, value.get<std::string>());
        return execution;
    });
}

SpecMount parse_mount(std::string_view text) {
    SpecMount mount;
    for (const std::string& part : split(text, ',')) {
        const std::size_t equals = part.find('=');
        const std::string key = part.substr(0, equals);
        const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
        if (key == "type")
            mount.type = value;
        else if (key == "source" || key == "src")
            mount.source = value;
        else if (key == "destination" || key == "dst")
            mount.destination = value;
        else if (key == "options")
            mount.options = split(value, ':');
        else
            throw Error(ErrorKind::invalid_argument, "mount \"", printable(text), "\": \"", printable(key),
                        "\" is not type, src, dst or options");
    }
    if (!mount.destination.starts_with('/'))
        throw Error(ErrorKind::invalid_argument, "mount \"", printable(text), "\": an absolute dst is needed");
    return mount;
}

std::string make_runtime_spec(const Execution& image, const SpecOptions& options) {
    Json spec{{"ociVersion", "1.0.2"},
              {"process", process(image, options)},
              {"root", {{"path", options.root}}},
              {"mounts", mounts(options)},
              {"linux", linux_part(options)}};
    if (options.read_only)
        spec["root"]["readonly"] = true;
    if (!options.hostname.empty())
        spec["hostname"] = options.hostname;
    if (!options.annotations.empty())
        spec["annotations"] = options.annotations;
    return dump_json(spec);
}

} // namespace lade::oci
