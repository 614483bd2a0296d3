// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <array>

#include "base/error.hpp"
#include "base/filter.hpp"
#include "base/size.hpp"

using namespace lade;
using namespace std::chrono_literals;

namespace {

struct Item {
    std::string name;
    std::string other;
    std::map<std::string, std::string> labels;
};

// Those of the reference's own test, so that its cases can be held against ours by number.
const std::array<Item, 9> items{{
    {.name = "foo", .other = "", .labels = {{"foo", "true"}}},
    {.name = "bar", .other = "", .labels = {}},
    {.name = "foo", .other = "", .labels = {{"foo", "present"}, {"more complex label", "present"}}},
    {.name = "bar", .other = "", .labels = {{"bar", "true"}}},
    {.name = "fooer", .other = "", .labels = {{R"(more complex label with \ and ")", "present"}}},
    {.name = "fooer", .other = "", .labels = {{R"(more complex label with \ and ".post)", "present"}}},
    {.name = "baz", .other = "too complex, yo", .labels = {}},
    {.name = "bazo", .other = "abc", .labels = {}},
    {.name = "compound", .other = "", .labels = {{"foo", "omg_asdf.asdf-qwer"}}},
}};

std::optional<FieldValue> unless_empty(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<FieldValue>(text);
}

std::optional<FieldValue> field_of(const Item& item, const FieldPath& path) {
    if (path[0] == "name")
        return unless_empty(item.name);
    if (path[0] == "other")
        return unless_empty(item.other);
    return path[0] == "labels" ? map_field(item.labels, path) : std::nullopt;
}

using Numbers = std::vector<std::size_t>;

Numbers found(const std::vector<std::string>& filters) {
    const Filter filter = Filter::parse(filters);
    Numbers numbers;
    for (std::size_t i = 0; i < items.size(); ++i)
        if (filter.matches([&](const FieldPath& path) { return field_of(items.at(i), path); }))
            numbers.push_back(i);
    return numbers;
}

// Whether `filter` matches an object whose only field is `field`.
bool holds(const std::string& filter, const std::string& text, const std::string& field = "f") {
    return Filter::parse({filter}).matches([&](const FieldPath& path) {
        return join(path, ".") == field ? std::optional<FieldValue>(text) : std::nullopt;
    });
}

std::string error_of(const std::string& filter, const std::vector<OrderedField>& ordered = {}) {
    try {
        Filter::parse({filter}, ordered);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::invalid_argument);
        return error.message();
    }
    return "no error";
}

std::string complaint(const std::string& where, const std::string& what) {
    return "filters: parse error: [" + where + "]: " + what;
}

const Time now_for_tests{1'700'000'000s};
const std::vector<OrderedField> ordered{{.path = "size", .order = FieldOrder::number},
                                        {.path = "created", .order = FieldOrder::time}};

bool holds_for(const FieldValue& value, const std::string& filter) {
    return Filter::parse({filter}, ordered, now_for_tests).matches([&](const FieldPath& path) {
        const bool is_size = std::holds_alternative<std::uint64_t>(value);
        return path[0] == (is_size ? "size" : "created") ? std::optional(value) : std::nullopt;
    });
}

} // namespace

TEST_SUITE("base") {
    TEST_CASE("filters: the reference's objects") {
        const Numbers all{0, 1, 2, 3, 4, 5, 6, 7, 8};
        CHECK(found({}) == all);
        CHECK(found({""}) == all);
        CHECK(found({"name"}) == all);
        CHECK(found({"labels.foo"}) == Numbers{0, 2, 8});
        CHECK(found({"labels.foo,name"}) == Numbers{0, 2, 8});
        CHECK(found({"labels.foo==true"}) == Numbers{0});
        CHECK(found({"labels.foo==omg_asdf.asdf-qwer"}) == Numbers{8});
        CHECK(found({"name==bar"}) == Numbers{1, 3});
        CHECK(found({"name!=bar"}) == Numbers{0, 2, 4, 5, 6, 7, 8});
        CHECK(found({"name==bar,labels.bar"}) == Numbers{3});
        CHECK(found({"name==bar,labels.bar==true"}) == Numbers{3});
        CHECK(found({"name==bar,labels.bar==wrong"}) == Numbers{});
        CHECK(found({R"(other=="too complex, yo")"}) == Numbers{6});
        CHECK(found({"other~=[abc]+,name!=foo"}) == Numbers{6, 7});
        CHECK(found({"other~=/[abc]+/,name!=foo"}) == Numbers{6, 7});
        CHECK(found({"other~=/[abc]{1,2}/,name!=foo"}) == Numbers{6, 7});
        CHECK(found({R"(other~=/[abc]{0,1}"\//,name!=foo)"}) == Numbers{});
        CHECK(found({R"(name==foo,labels."more complex label")"}) == Numbers{2});
        CHECK(found({R"(labels."more complex label with \\ and \""==present)"}) == Numbers{4});
        CHECK(found({R"(labels."more complex label with \\ and \"".post==present)"}) == Numbers{5});
    }

    TEST_CASE("filters: several are alternatives") {
        CHECK(found({"name==baz", "name==bar"}) == Numbers{1, 3, 6});
        CHECK(found({"name==nobody", "other"}) == Numbers{6, 7});
        CHECK(found({"name==nobody", ""}).size() == items.size());
        CHECK(found({"name==nobody", "name==noone"}) == Numbers{});
    }

    TEST_CASE("filters: an absent field") {
        CHECK(found({"unknown"}) == Numbers{});
        CHECK(found({R"(unknown=="")"}) == Numbers{});
        CHECK(found({"unknown!=x"}).size() == items.size());
        CHECK(found({R"(unknown!="")"}) == Numbers{});
        CHECK(found({"unknown~=^$"}).size() == items.size());
        CHECK(found({"unknown~=x"}) == Numbers{});
        CHECK(found({"labels"}) == Numbers{});
        CHECK(found({"name.more.deeply==bar"}) == Numbers{1, 3}); // the adaptor decides
    }

    TEST_CASE("filters: a field that is there and empty") {
        CHECK(holds("f", ""));
        CHECK(holds(R"(f=="")", ""));
        CHECK_FALSE(holds(R"(f!="")", ""));
        CHECK(holds("f~=/^$/", ""));
    }

    TEST_CASE("filters: paths") {
        CHECK(holds(R"(labels."containerd.io/gc.root")", "", "labels.containerd.io/gc.root"));
        CHECK(holds("labels.containerd.io", "", "labels.containerd.io"));
        CHECK(holds(R"("leading quote".postquote==value)", "value", "leading quote.postquote"));
        CHECK(holds(R"("")", "", ""));
        CHECK(holds("_0.1a", "", "_0.1a"));
        CHECK(holds(" f. g ==x", "x", "f.g"));
    }

    TEST_CASE("filters: values") {
        CHECK(holds("f==a=b/c:d@e!~\"|", "a=b/c:d@e!~\"|"));
        CHECK(holds("f==<b", "<b"));
        CHECK(holds("f==>", ">"));
        CHECK(holds("f!=<b", "<a"));
        CHECK(holds("f== \t\nx", "x"));
        CHECK(holds("f ==\u00a0x", "x"));
        CHECK(holds("f=='x'", "'x'"));
        CHECK(holds("f==`x`", "`x`"));
        CHECK(holds("f==牛", "牛"));
        CHECK(holds("f==-x", "-x"));
        CHECK(holds("f==\\n", "\\n"));
        CHECK(holds("f==\"\ufffd\"", "\ufffd"));
    }

    TEST_CASE("filters: escapes in quotes are Go's") {
        CHECK(holds(R"(f=="\a\b\f\n\r\t\v\\\"")", "\a\b\f\n\r\t\v\\\""));
        CHECK(holds(R"(f=="\x41\102\u0043\U00000044")", "ABCD"));
        CHECK(holds(R"(f=="\u00e9\u725b\U0001f404")", "é牛🐄"));
        CHECK(holds(R"(f=="\xFf\377")", "\xff\xff"));
        CHECK(holds(R"(f=="\x00\000")", std::string(2, '\0')));
        CHECK(holds("f==\"a\tb, 'c' `d` |e| /f/\"", "a\tb, 'c' `d` |e| /f/"));
        for (const char* bad : {R"(\g)", R"(\')", R"(\8)", R"(\/)", R"(\|)", "\\ ", "\\é"})
            CHECK(error_of(cat("f==\"", bad, "\"")) ==
                  complaint(cat("f== >|\"|< ", bad, "\""), "illegal escape sequence"));
        for (const char* bad : {R"(\xaz)", R"(\x4)", R"(\18)", R"(\u004)", R"(\U0000004)", R"(\x)"})
            CHECK(error_of(cat("f==\"", bad, "\"")) ==
                  complaint(cat("f== >|\"|< ", bad, "\""), "illegal numeric escape sequence"));
        for (const char* bad : {R"(\400)", R"(\ud800)", R"(\U00110000)", R"(\UFFFFFFFF)"})
            CHECK(error_of(cat("f==\"", bad, "\"")) ==
                  complaint(cat("f== >|\"|< ", bad, "\""), "unquoting failed: quote syntax error"));
        CHECK(error_of(R"(labels."\g")") == complaint(R"(labels. >|"|< \g")", "illegal escape sequence"));
    }

    TEST_CASE("filters: regular expressions are RE2's and unanchored") {
        CHECK(holds("f~=b", "abc"));
        CHECK(holds("f~=^abc$", "abc"));
        CHECK_FALSE(holds("f~=^b", "abc"));
        CHECK(holds("f~=(?i)ABC", "abc"));
        CHECK(holds("f~=\\d+", "a1"));
        CHECK(holds(R"(f~=/\\d{2,}/)", "a12"));
        CHECK(holds(R"(f~=/foo\/bar/)", "foo/bar"));
        CHECK(holds("f~=|foo/bar|", "foo/bar"));
        CHECK(holds(R"(f~=|a\|b|)", "b"));
        CHECK(holds("f~=|牛|", "牛"));
        CHECK(holds("f~=^.$", "牛"));
        CHECK(holds(R"(f~="asdf\n\tfooo")", "asdf\n\tfooo"));
        CHECK(holds("f~=[[:alpha:]]\\pL(?P<x>c)", "abc"));
        CHECK_FALSE(holds("f~=a.c", "a\nc"));
        CHECK(error_of(R"(f~=/\d/)") == complaint(R"(f~= >|/|< \d/)", "illegal escape sequence"));
        // Exponential for an engine that goes back.
        CHECK_FALSE(holds("f~=^(a+)+$", std::string(10 * kib, 'a') + "b"));
    }

    TEST_CASE("filters: what is no regular expression matches nothing and is told of") {
        for (const char* bad : {"(", "[", "a**", "(?=x)", "\\1", "(((x{100}){100}){100})", R"("\xff")"}) {
            const Filter filter = Filter::parse({cat("f~=", bad)});
            CHECK(filter.warnings().size() == 1);
            CHECK_FALSE(filter.matches([](const FieldPath&) { return std::string("(x"); }));
        }
        const Filter filter = Filter::parse({"f~=ok", "f==x,f~=(a"});
        REQUIRE(filter.warnings().size() == 1);
        CHECK(filter.warnings()[0].starts_with("filters: [f==x,f~= >|(|< a]: matches nothing, "));
        CHECK(filter.matches([](const FieldPath&) { return std::string("book"); }));
    }

    TEST_CASE("filters: errors name the filter and the position") {
        CHECK(error_of("name==foo,") == complaint("name==foo,", "expected field or quoted"));
        CHECK(error_of("labels.") == complaint("labels.", "expected field or quoted"));
        CHECK(error_of(" ") == complaint(" ", "expected field or quoted"));
        CHECK(error_of(",") == complaint(" >|,|< ", "expected field or quoted"));
        CHECK(error_of(".a") == complaint(" >|.|< a", "expected field or quoted"));
        CHECK(error_of("a,,b") == complaint("a, >|,|< b", "expected field or quoted"));
        CHECK(error_of("a..b") == complaint("a. >|.|< b", "expected field or quoted"));
        CHECK(error_of("==x") == complaint(" >|=|< =x", "expected field or quoted"));
        CHECK(error_of("'a'==x") == complaint(" >|'|< a'==x", "expected field or quoted"));
        CHECK(error_of("é==x") == complaint(" >|é|< ==x", "expected field or quoted"));
        CHECK(error_of(R"(labels.?"x \\ \"".post==p)") ==
              complaint(R"(labels. >|?|< "x \\ \"".post==p)", "expected field or quoted"));

        CHECK(error_of("image~=,id?=?fbaq") == complaint("image~= >|,|< id?=?fbaq", "expected value or quoted"));
        CHECK(error_of("input==,id!=ff") == complaint("input== >|,|< id!=ff", "expected value or quoted"));
        CHECK(error_of("a==") == complaint("a==", "expected value or quoted"));
        CHECK(error_of("a== ") == complaint("a== ", "expected value or quoted"));
        CHECK(error_of("a==.b") == complaint("a== >|.|< b", "expected value or quoted"));
        CHECK(error_of("a== =b") == complaint("a==  >|=|< b", "expected value or quoted"));

        CHECK(error_of("labels.ns/key==value") ==
              complaint("labels.ns >|/|< key==value", "quoted literal not terminated"));
        CHECK(error_of("labels.containerd.io/key==value") ==
              complaint("labels.containerd.io >|/|< key==value", "quoted literal not terminated"));
        CHECK(error_of("labels.key==/value") == complaint("labels.key== >|/|< value", "quoted literal not terminated"));
        CHECK(error_of("a==\"x\ny\"") == complaint(R"(a== >|"|< x\x0ay")", "quoted literal not terminated"));
        CHECK(error_of("labels.\"containerd.io\nkey\"==value") ==
              complaint(R"(labels. >|"|< containerd.io\x0akey"==value)", "quoted literal not terminated"));

        CHECK(error_of("labels.|foo|==x") == complaint("labels. >|||< foo|==x", "invalid quote encountered"));
        CHECK(error_of("/a/") == complaint(" >|/|< a/", "invalid quote encountered"));
        CHECK(error_of("a==/b/") == complaint("a== >|/|< b/", "invalid quote encountered"));
        CHECK(error_of("a!=|b|") == complaint("a!= >|||< b|", "invalid quote encountered"));

        CHECK(error_of("foo=bar") == complaint("foo >|=|< bar", "unsupported operator \"=\""));
        CHECK(error_of("foo = bar    ") == complaint("foo  >|=|<  bar    ", "unsupported operator \"=\""));
        CHECK(error_of("interrupted=") == complaint("interrupted >|=|< ", "unsupported operator \"=\""));
        CHECK(error_of("a===b") == complaint("a >|=|< ==b", "unsupported operator \"===\""));
        CHECK(error_of("a=~b") == complaint("a >|=|< ~b", "unsupported operator \"=~\""));
        CHECK(error_of("a==!b") == complaint("a >|=|< =!b", "unsupported operator \"==!\""));
        CHECK(error_of("a<>b") == complaint("a >|<|< >b", "unsupported operator \"<>\""));
        CHECK(error_of("a>==b") == complaint("a >|>|< ==b", "unsupported operator \">==\""));

        const std::string no_operator = R"(expected an operator ("=="|"!="|"~="|"<"|"<="|">"|">="))";
        CHECK(error_of("a b") == complaint("a  >|b|< ", no_operator));
        CHECK(error_of("a ") == complaint("a ", no_operator));
        CHECK(error_of("a ,b") == complaint("a  >|,|< b", no_operator));
        CHECK(error_of("a .b") == complaint("a  >|.|< b", no_operator));
        CHECK(error_of("a-b==c") == complaint("a >|-|< b==c", no_operator));
        CHECK(error_of("labels.a/b/==c") == complaint("labels.a >|/|< b/==c", no_operator));
        CHECK(error_of("a\"b\"") == complaint("a >|\"|< b\"", no_operator));

        CHECK(error_of("a==value value") == complaint("a==value >| |< value", "unexpected input:  "));
        CHECK(error_of("a==b ") == complaint("a==b >| |< ", "unexpected input:  "));
        CHECK(error_of("a==b ,c") == complaint("a==b >| |< ,c", "unexpected input:  "));
        CHECK(error_of("a==\"b\"c") == complaint("a==\"b\" >|c|< ", "unexpected input: c"));
        CHECK(error_of("a~=/b/i") == complaint("a~=/b/ >|i|< ", "unexpected input: i"));
    }

    TEST_CASE("filters: bytes that no filter has") {
        const std::string null("foo\0bar", 7);
        CHECK(error_of(null) == complaint(R"(foo >|\x00|< bar)", "unexpected null"));
        CHECK(error_of("a==" + null) == complaint(R"(a==foo >|\x00|< bar)", "unexpected null"));
        CHECK(error_of("\"" + null + "\"") == complaint(R"("foo >|\x00|< bar")", "unexpected null"));
        CHECK(error_of("a\xff") == complaint(R"(a >|\xff|< )", "invalid UTF-8"));
        CHECK(error_of("a==b\xc3") == complaint(R"(a==b >|\xc3|< )", "invalid UTF-8"));
        CHECK(error_of("a==\"\xed\xa0\x80\"") == complaint(R"(a==" >|\xed|< \xa0\x80")", "invalid UTF-8"));
        CHECK(error_of("a==\x1b[2J ") == complaint(R"(a==\x1b[2J >| |< )", "unexpected input:  "));
    }

    TEST_CASE("filters: the error is that of the filter that has it") {
        CHECK_THROWS_WITH_AS(Filter::parse({"name", "a="}),
                             "filters: parse error: [a >|=|< ]: unsupported operator \"=\"", Error);
    }

    TEST_CASE("filters: numbers have an order") {
        const std::uint64_t size = 10'000'000;
        for (const char* yes : {"size", "size>9MB", "size>=10MB", "size<=10MB", "size<10MiB", "size==10MB",
                                "size==10000000", "size!=10MiB", "size>=10000000", "size > 9.5MB", "size<\"9.6 MiB\"",
                                "size>1MB,size<1GB", "size~=^100", "size!=many", "size>0"})
            CHECK_MESSAGE(holds_for(size, yes), yes);
        for (const char* no : {"size<10MB", "size>10MB", "size>=10MiB", "size!=10MB", "size==10MiB", "size==many",
                               "size>1MB,size<2MB", "size!=10000000", "created<24h", "created>24h"})
            CHECK_FALSE_MESSAGE(holds_for(size, no), no);
        CHECK(holds_for(UINT64_MAX, "size>=18446744073709551615"));
        for (const char* bad : {"x", "24h", "-1", "10XB", "18446744073709551616"})
            CHECK(error_of(cat("size>", bad), ordered) ==
                  complaint(cat("size> >|", bad[0], "|< ", bad + 1),
                            "expected a number or a size such as 10MB or 10MiB"));
        CHECK(error_of("size<") == complaint("size<", "expected value or quoted"));
        CHECK(error_of("size</1/") == complaint("size< >|/|< 1/", "invalid quote encountered"));
    }

    TEST_CASE("filters: times have an order, and a duration is that long ago") {
        const Time time = now_for_tests - 24h; // 2023-11-13T22:13:20Z
        for (const char* yes :
             {"created", "created<23h", "created<=24h", "created>=24h", "created>25h", "created<0",
              "created==2023-11-13T22:13:20Z", "created==2023-11-14T00:13:20+02:00", "created>2023-11-13T22:13:19.999Z",
              "created<2023-11-14T00:00:00Z", "created<9999-12-31T23:59:59Z", "created>0001-01-01T00:00:00Z",
              "created~=^2023-11", "created!=yesterday", "created>48h,created<1h"})
            CHECK_MESSAGE(holds_for(time, yes), yes);
        for (const char* no : {"created>24h", "created<24h", "created>23h", "created<25h", "created!=24h",
                               "created!=2023-11-13T22:13:20Z", "created==yesterday", "size>1", "size<1"})
            CHECK_FALSE_MESSAGE(holds_for(time, no), no);
        for (const char* bad : {"yesterday", "10MB", "-24h", "2023-11-13", "7"})
            CHECK(error_of(cat("created<", bad), ordered) ==
                  complaint(cat("created< >|", bad[0], "|< ", bad + 1),
                            "expected a time such as 2026-11-21T02:44:32Z or a duration such as 24h"));
    }

    TEST_CASE("filters: an order only where there is one") {
        CHECK(error_of("name>5", ordered) == complaint("name >|>|< 5", "\"name\" is neither a number nor a time here"));
        CHECK(error_of("size.x<=5", ordered) ==
              complaint("size.x >|<|< =5", "\"size.x\" is neither a number nor a time here"));
        CHECK(error_of("size>5") == complaint("size >|>|< 5", "\"size\" is neither a number nor a time here"));
        // An object may lack it all the same, or know it as text.
        CHECK_FALSE(Filter::parse({"size>5"}, ordered).matches([](const FieldPath&) { return std::nullopt; }));
        CHECK_FALSE(Filter::parse({"size>5"}, ordered).matches([](const FieldPath&) { return std::string("6"); }));
    }

    TEST_CASE("filters: their spelling is read back as the same") {
        const auto spelling = [](const std::string& text) {
            const auto once = Filter::parse({text}, ordered).spelling();
            CHECK(Filter::parse(once, ordered).spelling() == once);
            return once.at(0);
        };
        CHECK(spelling("") == "");
        CHECK(spelling(" a. b") == "a.b");
        CHECK(spelling(R"("a" == "b", "c d"."e\"f" ~= /g\/h/)") == R"(a==b,"c d"."e\"f"~=g/h)");
        CHECK(spelling(R"(a=="",b=="x,y",c=="=",d==".",e=="/x",f=="x/",""!=牛)") ==
              R"(a=="",b=="x,y",c=="=",d==".",e=="/x",f==x/,""!=牛)");
        CHECK(spelling(R"(a=="\xff\n\u3000\x7f\x00")") == "a==\"\\xff\\x0a\u3000\\x7f\\x00\"");
        CHECK(spelling("size >= 10MB,created< 24h") == "size>=10MB,created<24h");
        CHECK(Filter::parse({"b", "a"}).spelling() == std::vector<std::string>{"b", "a"});
        CHECK(Filter().spelling().empty());
    }

    TEST_CASE("filters: one that was never parsed matches everything") {
        CHECK(Filter().matches([](const FieldPath&) { return std::nullopt; }));
    }
}
