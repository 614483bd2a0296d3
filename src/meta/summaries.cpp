// SPDX-License-Identifier: Apache-2.0
#include "meta/summaries.hpp"

#include "base/text.hpp"

namespace lade::meta {

std::optional<Summary> Summaries::from_row(const Statement& row, int column) {
    const auto config = row.optional_text(column);
    if (!config)
        return std::nullopt;
    Summary summary{.config = oci::Digest::try_parse(*config),
                    .size = static_cast<std::uint64_t>(row.integer(column + 1)),
                    .platforms = {}};
    if (const std::string platforms = row.text(column + 2); !platforms.empty())
        summary.platforms = split(platforms, ',');
    return summary;
}

std::optional<Summary> Summaries::find(const oci::Digest& target, const std::string& platform) {
    Statement row = database_.query("SELECT config, size, platforms FROM summaries WHERE target = ? AND platform = ?",
                                    target.string(), platform);
    return row.next() ? from_row(row, 0) : std::nullopt;
}

void Summaries::put(const oci::Digest& target, const std::string& platform, const Summary& summary) {
    database_.run("INSERT OR REPLACE INTO summaries (target, platform, config, size, platforms) "
                  "SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM images WHERE digest = ?1)",
                  target.string(), platform, summary.config ? summary.config->string() : "", summary.size,
                  join(summary.platforms, ","));
}

void Summaries::forget(const oci::Digest& target) {
    database_.run("DELETE FROM summaries WHERE target = ?1 AND NOT EXISTS (SELECT 1 FROM images WHERE digest = ?1)",
                  target.string());
}

} // namespace lade::meta
