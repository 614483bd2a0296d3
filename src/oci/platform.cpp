// SPDX-License-Identifier: Apache-2.0
#include "oci/platform.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::oci {

namespace {

constexpr std::string_view letters_and_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#if defined(__x86_64__)
constexpr std::string_view host_architecture = "amd64";
#elif defined(__i386__)
constexpr std::string_view host_architecture = "386";
#elif defined(__aarch64__)
constexpr std::string_view host_architecture = "arm64";
#elif defined(__arm__)
constexpr std::string_view host_architecture = "arm";
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::string_view host_architecture = "riscv64";
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
constexpr std::string_view host_architecture = "ppc64le";
#elif defined(__s390x__)
constexpr std::string_view host_architecture = "s390x";
#elif defined(__loongarch64)
constexpr std::string_view host_architecture = "loong64";
#elif defined(__mips64) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
constexpr std::string_view host_architecture = "mips64le";
#else
#error "name this architecture as GOARCH does"
#endif

#if !defined(__arm__)
constexpr std::string_view host_variant;
#elif __ARM_ARCH >= 7
constexpr std::string_view host_variant = "v7";
#elif __ARM_ARCH == 6
constexpr std::string_view host_variant = "v6";
#else
constexpr std::string_view host_variant = "v5";
#endif

constexpr std::string_view host_os = "linux";

bool is_known_os(std::string_view os) {
    static constexpr std::array<std::string_view, 17> known{
        "aix",   "android", "darwin", "dragonfly", "freebsd", "hurd",    "illumos", "ios", "js",
        "linux", "nacl",    "netbsd", "openbsd",   "plan9",   "solaris", "windows", "zos"};
    return std::ranges::find(known, os) != known.end();
}

bool is_known_architecture(std::string_view architecture) {
    static constexpr std::array<std::string_view, 24> known{
        "386",     "amd64",  "amd64p32", "arm",    "arm64",     "arm64be",     "armbe",   "loong64",
        "mips",    "mips64", "mips64le", "mipsle", "mips64p32", "mips64p32le", "ppc",     "ppc64",
        "ppc64le", "riscv",  "riscv64",  "s390",   "s390x",     "sparc",       "sparc64", "wasm"};
    return std::ranges::find(known, architecture) != known.end();
}

[[noreturn]] void refuse(std::string_view specifier, std::string_view why) {
    throw Error(ErrorKind::invalid_argument, "platform \"", printable(specifier), "\": ", why);
}

bool consists_of(std::string_view text, std::string_view more) {
    return std::ranges::all_of(text, [&](char c) {
        return letters_and_digits.find(c) != std::string_view::npos || more.find(c) != std::string_view::npos;
    });
}

// "(version+feature+feature)" without its parentheses.
void read_options(std::string_view options, Platform& platform, std::string_view specifier) {
    bool is_version = true;
    for (const std::string& part : split(options, '+')) {
        const auto text = consists_of(part, "_.%-") ? percent_decode(part) : std::nullopt;
        if (!text || (text->empty() && !is_version))
            refuse(specifier, "the part in parentheses is not \"osversion+feature...\"");
        if (is_version)
            platform.os_version = *text;
        else
            platform.os_features.push_back(*text);
        is_version = false;
    }
}

// One digit after the last 'v' or '.', e.g. 3 of "v3" and 4 of "v8.4"; -1 when there is none.
int last_digit(std::string_view variant) {
    return !variant.empty() && variant.back() >= '0' && variant.back() <= '9' ? variant.back() - '0' : -1;
}

void append_arm_variants(std::vector<Platform>& into, const Platform& wish, int best) {
    for (int version = best; version >= 5; --version) {
        Platform& next = into.emplace_back(wish);
        next.architecture = "arm";
        next.variant = cat('v', version);
    }
}

void append_arm64_variants(std::vector<Platform>& into, const Platform& wish, int major, int best_minor) {
    for (int minor = best_minor; minor >= 0; --minor) {
        Platform& next = into.emplace_back(wish);
        next.variant = minor == 0 ? cat('v', major) : cat('v', major, '.', minor);
        next = normalize(std::move(next));
    }
}

// Windows images run on the build they were made for and on no other.
bool same_windows_build(std::string_view wish, std::string_view offer) {
    const std::vector<std::string> a = split(wish, '.');
    const std::vector<std::string> b = split(offer, '.');
    return a.size() < 3 || b.size() < 3 || std::equal(a.begin(), a.begin() + 3, b.begin());
}

} // namespace

Platform host_platform() {
    return normalize({.os = std::string(host_os),
                      .architecture = std::string(host_architecture),
                      .variant = std::string(host_variant)});
}

Platform normalize(Platform platform) {
    platform.os = lower(platform.os);
    if (platform.os.empty())
        platform.os = host_os;
    else if (platform.os == "macos")
        platform.os = "darwin";

    std::string& architecture = platform.architecture;
    std::string& variant = platform.variant;
    architecture = lower(architecture);
    variant = lower(variant);
    if (architecture == "i386") {
        architecture = "386";
        variant.clear();
    } else if (architecture == "x86_64" || architecture == "x86-64" || architecture == "amd64") {
        architecture = "amd64";
        if (variant == "v1")
            variant.clear();
    } else if (architecture == "aarch64" || architecture == "arm64") {
        architecture = "arm64";
        if (variant == "8" || variant == "v8" || variant == "v8.0")
            variant.clear();
        else if (variant == "9" || variant == "9.0" || variant == "v9.0")
            variant = "v9";
    } else if (architecture == "armhf") {
        architecture = "arm";
        variant = "v7";
    } else if (architecture == "armel") {
        architecture = "arm";
        variant = "v6";
    } else if (architecture == "arm") {
        if (variant.empty())
            variant = "v7";
        else if (variant == "5" || variant == "6" || variant == "7" || variant == "8")
            variant.insert(0, 1, 'v');
    }

    std::vector<std::string>& features = platform.os_features;
    std::ranges::sort(features);
    // Not std::ranges::unique: clang 14 cannot compile GCC 12's subrange.
    features.erase(std::unique(features.begin(), features.end()), features.end());
    return platform;
}

Platform parse_platform(std::string_view specifier) {
    const std::vector<std::string> parts = split(specifier, '/');
    if (parts.size() > 3)
        refuse(specifier, "more than three parts");

    Platform platform;
    std::string_view first = parts[0];
    if (const std::size_t open = first.find('('); open != std::string_view::npos) {
        if (!first.ends_with(')'))
            refuse(specifier, "the parenthesis is not closed");
        read_options(first.substr(open + 1, first.size() - open - 2), platform, specifier);
        first = first.substr(0, open);
    }
    const bool has_options = first.size() != parts[0].size();
    if (first.empty() || !consists_of(first, "_-"))
        refuse(specifier, "not of the form os[/architecture[/variant]]");
    for (std::size_t i = 1; i < parts.size(); ++i)
        if (parts[i].empty() || !consists_of(parts[i], "_.-"))
            refuse(specifier, "not of the form os[/architecture[/variant]]");

    if (parts.size() > 1) {
        platform.os = first;
        platform.architecture = parts[1];
        if (parts.size() == 3)
            platform.variant = parts[2];
        return normalize(std::move(platform));
    }
    const Platform as_os = normalize({.os = std::string(first)});
    if (is_known_os(as_os.os)) {
        platform.os = as_os.os;
        platform.architecture = host_architecture;
        platform.variant = host_variant;
        return normalize(std::move(platform));
    }
    Platform as_architecture = normalize({.os = std::string(host_os), .architecture = std::string(first)});
    if (!has_options && is_known_architecture(as_architecture.architecture))
        return as_architecture;
    refuse(specifier, "neither an operating system nor an architecture that is known");
}

std::string to_string(const Platform& platform) {
    std::string text = platform.os.empty() ? "unknown" : platform.os;
    for (const std::string* part : {&platform.architecture, &platform.variant})
        if (!part->empty())
            text.append("/").append(*part);
    return text;
}

std::vector<Platform> fallbacks(const Platform& wish) {
    const Platform base = normalize(wish);
    const std::string& variant = base.variant;
    const int digit = last_digit(variant);
    std::vector<Platform> accepted{base};
    if (base.architecture == "amd64") {
        if (variant.size() == 2 && variant[0] == 'v')
            for (int level = digit - 1; level >= 1; --level) {
                Platform& next = accepted.emplace_back(base);
                next.variant = level == 1 ? "" : cat('v', level);
            }
        Platform& last = accepted.emplace_back(base);
        last.architecture = "386";
        last.variant.clear();
    } else if (base.architecture == "arm" && variant.size() == 2 && digit >= 5 && digit <= 8) {
        append_arm_variants(accepted, base, digit - 1);
    } else if (base.architecture == "arm64") {
        const bool has_minor = variant.size() == 4 && variant[2] == '.' && digit >= 0;
        const int minor = has_minor ? digit : 0;
        if (variant.empty() || (has_minor && variant.starts_with("v8."))) {
            if (minor > 0)
                append_arm64_variants(accepted, base, 8, minor - 1);
            append_arm_variants(accepted, base, 8);
        } else if (variant == "v9" || (has_minor && variant.starts_with("v9."))) {
            if (minor > 0)
                append_arm64_variants(accepted, base, 9, minor - 1);
            // Every v9.M has what v8.(M+5) has.
            append_arm64_variants(accepted, base, 8, std::min(minor + 5, 9));
            append_arm_variants(accepted, base, 8);
        }
    }
    return accepted;
}

bool matches(const Platform& wish, const Platform& offer) {
    Platform other = normalize(offer);
    if (wish.os != other.os || wish.architecture != other.architecture || wish.variant != other.variant)
        return false;
    if (other.os == "windows") {
        std::erase(other.os_features, "win32k");
        if (!same_windows_build(wish.os_version, other.os_version))
            return false;
    }
    return std::ranges::includes(wish.os_features, other.os_features);
}

std::optional<std::size_t> exact_match(const Platform& wish, const std::vector<std::optional<Platform>>& offers) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < offers.size(); ++i)
        if (offers[i] && matches(wish, *offers[i]) &&
            (!best || offers[i]->os_features.size() > offers[*best]->os_features.size()))
            best = i;
    return best;
}

std::optional<std::size_t> best_match(const Platform& wish, const std::vector<std::optional<Platform>>& offers) {
    for (const Platform& accepted : fallbacks(wish))
        if (const auto best = exact_match(accepted, offers))
            return best;
    return std::nullopt;
}

} // namespace lade::oci
