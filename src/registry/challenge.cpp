// SPDX-License-Identifier: Apache-2.0
// The grammar of WWW-Authenticate (RFC 9110, 11.6.1): a comma separates parameters and challenges alike.
#include "base/text.hpp"
#include "registry/auth.hpp"
#include "registry/quoted.hpp"

namespace lade::registry {

namespace {

constexpr std::size_t max_challenges = 16;

class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool at_end() const { return rest_.empty(); }
    bool at(char c) const { return rest_.starts_with(c); }

    void skip(std::string_view characters) {
        const std::size_t first = rest_.find_first_not_of(characters);
        rest_.remove_prefix(first == std::string_view::npos ? rest_.size() : first);
    }

    bool take(char c) {
        if (!at(c))
            return false;
        rest_.remove_prefix(1);
        return true;
    }

    std::string take_token() {
        const std::size_t end =
            std::min(rest_.find_first_not_of("!#$%&'*+-.^_`|~0123456789"
                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
                     rest_.size());
        std::string token(rest_.substr(0, end));
        rest_.remove_prefix(end);
        return token;
    }

    std::optional<std::string> take_quoted() { return registry::take_quoted(rest_); }

    // An unquoted value; realms and scopes are seen unquoted although they are no tokens.
    std::string take_bare() {
        const std::size_t end = std::min(rest_.find_first_of(", \t"), rest_.size());
        std::string value(rest_.substr(0, end));
        rest_.remove_prefix(end);
        return value;
    }

private:
    std::string_view rest_;
};

} // namespace

std::string Challenge::parameter(const std::string& name) const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? "" : found->second;
}

std::vector<Challenge> parse_challenges(std::string_view line) {
    std::vector<Challenge> challenges;
    Scanner scanner(line);
    for (;;) {
        scanner.skip(", \t");
        const std::string token = scanner.take_token();
        if (token.empty())
            return challenges;
        scanner.skip(" \t");
        if (!scanner.take('=')) {
            // A word that no '=' follows is the scheme of the next challenge.
            if (challenges.size() == max_challenges)
                return challenges;
            challenges.push_back({.scheme = lower(token), .parameters = {}});
            continue;
        }
        scanner.skip(" \t");
        if (challenges.empty())
            return challenges;
        // What looks like "abc==" is a token68: of no use to us.
        if (scanner.at('=') || scanner.at(',') || scanner.at_end()) {
            scanner.skip("=");
            continue;
        }
        const auto value = scanner.at('"') ? scanner.take_quoted() : std::optional(scanner.take_bare());
        if (!value)
            return challenges;
        challenges.back().parameters.emplace(lower(token), *value);
    }
}

} // namespace lade::registry
