#include "cli/keeper.h"

#include <fmt/format.h>

#include "base/os.h"
#include "base/text_format.h"
#include "cli/console.h"
#include "cli/terminal/width.h"

namespace hearth::cli {

std::string time_ago(int64_t then, int64_t now) {
    const int64_t minutes = std::max<int64_t>(now - then, 0) / 60000;
    const auto text = [](int64_t count, const char* unit) {
        return fmt::format("{} {}{} ago", count, unit, count == 1 ? "" : "s");
    };
    if (minutes < 1) return "just now";
    if (minutes < 60) return text(minutes, "minute");
    if (minutes < 48 * 60) return text(minutes / 60, "hour");
    return text(minutes / (24 * 60), "day");
}

Result<store::Conversations*> Keeper::conversations() {
    if (folder_.empty())
        return fail(ErrorKind::not_found, "there is no place for conversations", "set HOME or HEARTH_HOME");
    if (!store_) store_.emplace(TRY(store::Store::open(folder_)));
    return &store_->conversations();
}

Result<> Keeper::keep(const Json& messages, const std::string& model, Json settings) {
    store::Conversations& all = *TRY(conversations());
    kept_.messages = messages;
    kept_.model = model;
    kept_.settings = std::move(settings);
    const std::string before = kept_.id;
    auto saved = all.save(kept_, unix_milliseconds());
    if (!saved && saved.error().kind == ErrorKind::bad_request && !before.empty()) {
        kept_.id.clear();
        kept_.created_ms = 0;
        TRY(all.save(kept_, unix_milliseconds()));
        notice(fmt::format("hearth: another program went on with conversation {}; this one is kept as {}", before,
                           kept_.id));
        return {};
    }
    return saved;
}

Result<store::Conversation> Keeper::take(std::string_view id) {
    store::Conversations& all = *TRY(conversations());
    if (!id.empty()) return kept_ = TRY(all.load(id));
    auto latest = TRY(all.latest());
    if (!latest) return fail(ErrorKind::not_found, "no conversation is kept yet", "start one with `hearth run`");
    return kept_ = std::move(*latest);
}

Result<std::string> Keeper::list() {
    constexpr int64_t kShown = 20;
    const auto found = TRY(TRY(conversations())->list(kShown));
    std::string lines;
    for (const store::ConversationSummary& one : found)
        lines += fmt::format("{}{} {:>14}  {}\n", one.id, one.id == kept_.id ? "*" : " ",
                             time_ago(one.updated_ms, unix_milliseconds()), harmless_text(one.title));
    return lines.empty() ? "no conversation is kept yet\n" : lines;
}

Result<> Keeper::remove(std::string_view id) {
    store::Conversations& all = *TRY(conversations());
    if (id == "all") {
        TRY(all.remove_all());
        kept_ = {};
        return {};
    }
    const std::string whole = TRY(all.load(id)).id;
    TRY(all.remove(whole));
    if (whole == kept_.id) kept_ = {};
    return {};
}

}  // namespace hearth::cli
