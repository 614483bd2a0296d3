// SPDX-License-Identifier: Apache-2.0
#include "registry/walk.hpp"

#include <algorithm>

namespace lade::registry {

namespace {

bool can(const Capabilities& able, const Capabilities& needs) {
    return (able.pull || !needs.pull) && (able.resolve || !needs.resolve) && (able.push || !needs.push) &&
           (able.referrers || !needs.referrers);
}

} // namespace

// A mirror need not have everything; what the registry itself says counts for more.
int Failures::rank(const Channel& channel, const Error& error) {
    const auto* const transient = dynamic_cast<const Transient*>(&error);
    const bool own = channel.host().is_registry;
    const auto ranked = [&](int weight) { return 2 * weight + (own ? 1 : 0); };
    switch (error.kind()) {
    case ErrorKind::resource_exhausted:
        return ranked(5);
    case ErrorKind::not_found:
        return own ? registry_has_not : 1;
    case ErrorKind::unauthenticated:
    case ErrorKind::permission_denied:
        return ranked(own ? 2 : 1);
    case ErrorKind::unavailable:
        return ranked(transient != nullptr && transient->answered ? 4 : 1);
    default:
        return ranked(4);
    }
}

void Failures::add(const Channel& channel, const Error& error) {
    const int its = rank(channel, error);
    if (its > worst_) {
        worst_ = its;
        chosen_ = all_.size();
    }
    missing_ = missing_ || error.kind() == ErrorKind::not_found;
    all_.push_back({.channel = &channel, .error = error});
}

bool Failures::may_be_elsewhere() const noexcept {
    return std::ranges::all_of(all_, [](const Failure& one) {
        return one.error.kind() == ErrorKind::not_found || one.error.kind() == ErrorKind::unavailable;
    });
}

bool Failures::nobody_has() const noexcept {
    const auto is_missing = [](const Failure& one) { return one.error.kind() == ErrorKind::not_found; };
    return std::ranges::all_of(all_, is_missing) || std::ranges::any_of(all_, [&](const Failure& one) {
               return one.channel->host().is_registry && is_missing(one);
           });
}

void Failures::throw_worst(std::string_view missing) const {
    const Failure& chosen = all_.at(chosen_);
    std::string text = chosen.error.message();
    std::vector<const Channel*> told{chosen.channel};
    for (const Failure& other : all_) {
        if (std::ranges::find(told, other.channel) != told.end())
            continue;
        told.push_back(other.channel);
        text.append("; ").append(other.error.message());
    }
    Error error(chosen.error.kind(), text);
    if (error.kind() == ErrorKind::not_found)
        error.add_context(missing);
    throw error; // NOLINT(misc-throw-by-value-catch-by-reference)
}

std::vector<Walk::Asked*> Walk::in_order(const Capabilities& needs, const Skip& skip) const {
    std::vector<Asked*> order;
    order.reserve(hosts_.size());
    for (const auto& one : hosts_)
        if (can(one->channel->host().capabilities, needs))
            order.push_back(one.get());
    if (order.empty())
        throw Error(ErrorKind::not_found, "no host is configured that may be asked for this");
    if (skip)
        std::erase_if(order, [&](const Asked* one) { return skip(*one->channel); });
    std::stable_partition(order.begin(), order.end(), [](const Asked* one) { return one->standing == Standing::good; });
    return order;
}

bool Walk::registry_is_private() const noexcept {
    return std::ranges::any_of(hosts_, [](const auto& one) {
        return one->channel->host().is_registry && one->channel->is_in_private_network();
    });
}

const Channel* Walk::likely(const Capabilities& needs, const Skip& skip) const {
    const std::vector<Asked*> order = in_order(needs, skip);
    return order.empty() ? nullptr : order.front()->channel.get();
}

const Walk::Asked* Walk::last_hope(const std::vector<Asked*>& order) {
    const auto found = std::find_if(order.rbegin(), order.rend(),
                                    [](const Asked* one) { return one->standing != Standing::unreachable; });
    return found == order.rend() ? order.back() : *found;
}

} // namespace lade::registry
