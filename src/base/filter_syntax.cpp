// SPDX-License-Identifier: Apache-2.0
#include "base/filter_syntax.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace lade {

namespace {

struct OperatorName {
    std::string_view name;
    Operator op;
};

constexpr std::array<OperatorName, 7> operators{{{"==", Operator::equal},
                                                 {"!=", Operator::not_equal},
                                                 {"~=", Operator::matches},
                                                 {"<", Operator::less},
                                                 {"<=", Operator::less_equal},
                                                 {">", Operator::greater},
                                                 {">=", Operator::greater_equal}}};

bool asks_order(Operator op) {
    return op >= Operator::less;
}

std::string_view to_string(Operator op) {
    const auto* const found =
        std::find_if(operators.begin(), operators.end(), [&](const auto& o) { return o.op == op; });
    return found == operators.end() ? std::string_view() : found->name;
}

// Go's unicode.IsSpace, which is what ends a value in the reference.
bool is_space(std::string_view c) {
    static constexpr std::array<std::string_view, 25> spaces{
        "\t",     "\n",     "\v",     "\f",     "\r",     " ",      "\u0085", "\u00a0", "\u1680",
        "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
        "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};
    return std::find(spaces.begin(), spaces.end(), c) != spaces.end();
}

bool one_of(std::string_view set, std::string_view c) {
    return c.size() == 1 && set.find(c[0]) != std::string_view::npos;
}

bool is_quote(std::string_view c) {
    return one_of("\"/|", c);
}

bool is_field(std::string_view c) {
    return one_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", c);
}

bool may_start_value(std::string_view c) {
    return !c.empty() && !is_quote(c) && !one_of(".,=!~", c) && !is_space(c);
}

std::string at_position(std::string_view input, std::size_t position) {
    if (position >= input.size())
        return cat("[", printable(input), "]");
    const std::size_t length = std::max<std::size_t>(utf8_length(input.substr(position)), 1);
    return cat("[", printable(input.substr(0, position)), " >|", printable(input.substr(position, length)), "|< ",
               printable(input.substr(position + length)), "]");
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto add = [&](std::uint32_t byte) { out.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
    const auto tail = [&](unsigned shift) { add(0x80U | ((code >> shift) & 0x3fU)); };
    if (code < 0x80)
        return add(code);
    if (code < 0x800) {
        add(0xc0U | (code >> 6U));
    } else if (code < 0x10000) {
        add(0xe0U | (code >> 12U));
        tail(6);
    } else {
        add(0xf0U | (code >> 18U));
        tail(12);
        tail(6);
    }
    tail(0);
}

class Parser {
public:
    Parser(std::string_view input, const std::vector<OrderedField>& ordered, Time now)
        : input_(input), ordered_(ordered), now_(now) {}

    Selectors parse();
    const std::vector<std::string>& warnings() const { return warnings_; }

private:
    template <typename... Parts>
    [[noreturn]] void fail(std::size_t position, const Parts&... parts) const;
    std::string_view peek() const;
    std::string_view take();
    bool take(std::string_view c);
    void skip_space();

    Selector selector();
    FieldPath field_path();
    std::string field();
    Operator read_operator();
    std::string value(Operator op);

    std::string quoted();
    void escape(std::string& out, std::size_t start, std::string_view quote);
    std::uint32_t digits(std::size_t start, std::uint32_t base, int count);

    Operand operand(const Selector& selector, std::size_t op_position, std::size_t value_position) const;
    std::shared_ptr<const re2::RE2> regex(const std::string& text, std::size_t position);

    std::string_view input_;
    const std::vector<OrderedField>& ordered_;
    Time now_;
    std::size_t at_ = 0;
    std::vector<std::string> warnings_;
};

template <typename... Parts>
void Parser::fail(std::size_t position, const Parts&... parts) const {
    throw Error(ErrorKind::invalid_argument, "filters: parse error: ", at_position(input_, position), ": ", parts...);
}

// The next character, empty at the end.
std::string_view Parser::peek() const {
    if (at_ == input_.size())
        return {};
    const std::string_view rest = input_.substr(at_);
    if (rest[0] == '\0')
        fail(at_, "unexpected null");
    const std::size_t length = utf8_length(rest);
    if (length == 0)
        fail(at_, "invalid UTF-8");
    return rest.substr(0, length);
}

std::string_view Parser::take() {
    const std::string_view c = peek();
    at_ += c.size();
    return c;
}

bool Parser::take(std::string_view c) {
    if (peek() != c)
        return false;
    at_ += c.size();
    return true;
}

void Parser::skip_space() {
    while (is_space(peek()))
        take();
}

Selectors Parser::parse() {
    Selectors all;
    do
        all.push_back(selector());
    while (take(","));
    if (!peek().empty())
        fail(at_, "unexpected input: ", printable(peek()));
    return all;
}

Selector Parser::selector() {
    Selector one{.path = field_path()};
    if (peek().empty() || peek() == ",")
        return one;
    skip_space();
    const std::size_t op_position = at_;
    one.op = read_operator();
    skip_space();
    const std::size_t value_position = at_;
    one.value = value(one.op);
    one.operand = operand(one, op_position, value_position);
    if (one.op == Operator::matches)
        one.regex = regex(one.value, value_position);
    return one;
}

FieldPath Parser::field_path() {
    FieldPath path;
    do
        path.push_back(field());
    while (take("."));
    return path;
}

std::string Parser::field() {
    skip_space();
    const std::size_t start = at_;
    if (is_quote(peek())) {
        std::string name = quoted();
        if (input_[start] != '"')
            fail(start, "invalid quote encountered");
        return name;
    }
    while (is_field(peek()))
        take();
    if (at_ == start)
        fail(start, "expected field or quoted");
    return std::string(input_.substr(start, at_ - start));
}

Operator Parser::read_operator() {
    const std::size_t start = at_;
    // A label's key with a slash and no quotes ends here: the reference complains of the open quote, and so do its
    // users' searches.
    if (is_quote(peek()))
        quoted();
    else if (one_of("<>", peek()))
        while (one_of("<>=!~", peek()))
            take();
    else
        while (one_of("=!~", peek())) // not < and >: in the reference a value may start with them
            take();
    const std::string_view name = input_.substr(start, at_ - start);
    if (name.empty() || is_quote(name.substr(0, 1)))
        fail(start, R"(expected an operator ("=="|"!="|"~="|"<"|"<="|">"|">="))");
    for (const OperatorName& known : operators)
        if (known.name == name)
            return known.op;
    fail(start, "unsupported operator \"", name, "\"");
}

std::string Parser::value(Operator op) {
    const std::size_t start = at_;
    if (is_quote(peek())) {
        std::string text = quoted();
        if (input_[start] != '"' && op != Operator::matches)
            fail(start, "invalid quote encountered");
        return text;
    }
    if (!may_start_value(peek()))
        fail(start, "expected value or quoted");
    while (!peek().empty() && peek() != "," && !is_space(peek()))
        take();
    return std::string(input_.substr(start, at_ - start));
}

std::string Parser::quoted() {
    const std::size_t start = at_;
    const std::string_view quote = take();
    std::string out;
    for (;;) {
        const std::string_view c = take();
        if (c == quote)
            return out;
        if (c.empty() || c == "\n")
            fail(start, "quoted literal not terminated");
        if (c == "\\")
            escape(out, start, quote);
        else
            out.append(c);
    }
}

void Parser::escape(std::string& out, std::size_t start, std::string_view quote) {
    static constexpr std::string_view names = "abfnrtv\\";
    static constexpr std::string_view meanings = "\a\b\f\n\r\t\v\\";
    const std::string_view c = take();
    if (c == quote) {
        out.append(c);
    } else if (one_of(names, c)) {
        out.push_back(meanings[names.find(c)]);
    } else if (one_of("01234567", c)) {
        at_ -= 1;
        const std::uint32_t byte = digits(start, 8, 3);
        if (byte > 0xff)
            fail(start, "unquoting failed: quote syntax error");
        out.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
    } else if (c == "x") {
        out.push_back(static_cast<char>(static_cast<unsigned char>(digits(start, 16, 2))));
    } else if (c == "u" || c == "U") {
        const std::uint32_t code = digits(start, 16, c == "u" ? 4 : 8);
        if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            fail(start, "unquoting failed: quote syntax error");
        append_utf8(out, code);
    } else {
        fail(start, "illegal escape sequence");
    }
}

std::uint32_t Parser::digits(std::size_t start, std::uint32_t base, int count) {
    static constexpr std::string_view alphabet = "0123456789abcdef";
    std::uint32_t value = 0;
    for (; count > 0; --count) {
        const std::string_view c = take();
        const std::size_t digit = c.size() == 1 ? alphabet.find(lower(c)) : std::string_view::npos;
        if (digit >= base)
            fail(start, "illegal numeric escape sequence");
        value = value * base + static_cast<std::uint32_t>(digit);
    }
    return value;
}

Operand Parser::operand(const Selector& selector, std::size_t op_position, std::size_t value_position) const {
    const std::string path = join(selector.path, ".");
    const auto field = std::find_if(ordered_.begin(), ordered_.end(), [&](const auto& o) { return o.path == path; });
    if (field == ordered_.end()) {
        if (asks_order(selector.op))
            fail(op_position, "\"", printable(path), "\" is neither a number nor a time here");
        return std::nullopt;
    }
    const bool number = field->order == FieldOrder::number;
    if (const auto size = parse_size(selector.value); number && size)
        return *size;
    if (const auto time = parse_rfc3339(selector.value); !number && time)
        return *time;
    if (const auto ago = parse_duration(selector.value); !number && ago)
        return now_ - *ago;
    if (asks_order(selector.op))
        fail(value_position, "expected ",
             number ? "a number or a size such as 10MB or 10MiB"
                    : "a time such as 2026-11-21T02:44:32Z or a duration such as 24h");
    return std::nullopt;
}

std::shared_ptr<const re2::RE2> Parser::regex(const std::string& text, std::size_t position) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    auto made = std::make_shared<const re2::RE2>(text, options);
    if (made->ok())
        return made;
    warnings_.push_back(cat("filters: ", at_position(input_, position),
                            ": matches nothing, being no regular expression: ", printable(made->error())));
    return nullptr;
}

std::string quote(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const auto lead = static_cast<unsigned char>(text[0]);
        if (length == 0 || lead < 0x20 || lead == 0x7f)
            out += cat("\\x", hex(&lead, 1));
        else if (lead == '"' || lead == '\\')
            out += {'\\', text[0]};
        else
            out.append(text.substr(0, length));
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out + "\"";
}

std::string spell_field(const std::string& name) {
    const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](const char& c) {
        return is_field({&c, 1});
    });
    return plain ? name : quote(name);
}

std::string spell_value(const std::string& value) {
    const std::size_t first = value.empty() ? 0 : utf8_length(value);
    bool plain = first != 0 && may_start_value(std::string_view(value).substr(0, first));
    for (std::string_view rest = value; plain && !rest.empty();) {
        const std::size_t length = utf8_length(rest);
        plain = length != 0 && rest[0] != ',' && static_cast<unsigned char>(rest[0]) >= 0x20 &&
                !is_space(rest.substr(0, length));
        rest.remove_prefix(length);
    }
    return plain ? value : quote(value);
}

} // namespace

ParsedSelectors parse_selectors(std::string_view input, const std::vector<OrderedField>& ordered, Time now) {
    Parser parser(input, ordered, now);
    Selectors all = parser.parse();
    return {.all = std::move(all), .warnings = parser.warnings()};
}

std::string spell(const Selector& selector) {
    std::vector<std::string> fields;
    for (const std::string& name : selector.path)
        fields.push_back(spell_field(name));
    std::string out = join(fields, ".");
    if (selector.op != Operator::present)
        out += cat(to_string(selector.op), spell_value(selector.value));
    return out;
}

} // namespace lade
