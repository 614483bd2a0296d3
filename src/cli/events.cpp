// SPDX-License-Identifier: Apache-2.0
#include "store/events.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "store/fields.hpp"

namespace lade::cli {

namespace {

constexpr std::int64_t batch = 1000;
// A look costs microseconds; people and scripts do not see a tenth of a second.
constexpr std::chrono::milliseconds pause{100};

struct Flags {
    std::vector<std::string> filters;
    std::string since;
    bool follow = false;
};

Time parse_since(const std::string& text) {
    if (text.empty())
        return Time::min();
    if (const auto time = parse_rfc3339(text))
        return *time;
    if (const auto ago = parse_duration(text))
        return now() - *ago;
    throw Error(ErrorKind::invalid_argument, "--since: ", printable(text), ": neither a time such as ", rfc3339(Time{}),
                " nor a duration such as 10m");
}

// As it is kept, unless a terminal could misread it.
std::string safe_payload(const std::string& payload) {
    if (printable(payload) == payload)
        return payload;
    return parse_json(payload, "event").dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string line_of(const store::Event& event, bool json) {
    if (!json)
        return cat(rfc3339(event.time), ' ', printable(event.name_space), ' ', printable(event.topic), ' ',
                   safe_payload(event.payload), '\n');
    return dump_json({{"id", event.id},
                      {"time", rfc3339(event.time)},
                      {"namespace", event.name_space},
                      {"topic", event.topic},
                      {"event", parse_json(event.payload, "event")}}) +
           "\n";
}

class Listing {
public:
    Listing(Context& context, const Flags& flags)
        : context_(context),
          filter_(parse_filter(flags.filters)),
          filtered_(!flags.filters.empty()),
          since_(parse_since(flags.since)) {}

    // Everything that was not seen yet.
    void print_new(bool for_long) {
        store::Store* store = context_.find_store();
        if (store == nullptr)
            return;
        if (for_long && store->keeps_others_out())
            throw Error(ErrorKind::resource_exhausted, "store ", printable(store->root()),
                        ": the disk is full, and to follow would keep other commands out");
        for (;;) {
            const std::vector<store::Event> events = store::list_events(*store, last_, batch);
            if (events.empty())
                return;
            // The first ones may have gone long before anybody looked; later ones went while somebody should have.
            if (last_ != 0 && events.front().id > last_ + 1)
                complain(cat("warning: ", events.front().id - last_ - 1, " events went before they could be printed"));
            last_ = events.back().id;
            print(events);
        }
    }

private:
    void print(const std::vector<store::Event>& events) const {
        std::string text;
        for (const store::Event& event : events)
            if (event.time >= since_ && (!filtered_ || filter_.matches(store::fields(event))))
                text += line_of(event, context_.json);
        if (!text.empty())
            context_.print(text);
    }

    Context& context_;
    Filter filter_;
    bool filtered_;
    Time since_;
    std::int64_t last_ = 0;
};

void show(Context& context, const Flags& flags) {
    Listing listing(context, flags);
    listing.print_new(flags.follow);
    while (flags.follow && has_reader()) {
        sleep_for(pause, context.stop());
        listing.print_new(flags.follow);
    }
}

} // namespace

void add_events(const Command& app, Context& context) {
    const Command command = app.add_command("events", "print what was changed in all namespaces", {"event"});
    needs_rows_only(command, context);
    auto flags = std::make_shared<Flags>();
    add_filters(command, flags->filters);
    command.add_flag("-f,--follow", flags->follow, "go on with what happens from now on");
    command.add_option("--since", flags->since, "nothing older than this: RFC 3339, or 10m for that long ago")
        .type_name("TIME");
    command.add_flag("--json", context.json, "print one JSON object per line");
    command.runs(context, [&context, flags] { show(context, *flags); });
}

} // namespace lade::cli
