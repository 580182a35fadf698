#include "store/conversations.h"

#include <algorithm>

#include "base/text_format.h"
#include "store/conversation_id.h"
#include "store/database.h"
#include "store/stored_json.h"

namespace hearth::store {

namespace {

constexpr int64_t kMostMessageBytes = 64 << 20;
constexpr int64_t kMostSettingBytes = 1 << 20;
constexpr size_t kMostModelBytes = 4096;  // a path may stand there
constexpr size_t kMostTitleCharacters = 60;
constexpr int64_t kMostListed = 100000;

// One line of at most kMostTitleCharacters, cut between words where that is possible. Control characters would reach
// the terminal of whoever lists titles.
std::string one_line(std::string_view text) {
    std::string line;
    size_t characters = 0, last_space = 0;
    // A longer beginning than could ever be shown is not looked at.
    const std::string clean = valid_utf8(text.substr(0, 4 * kMostTitleCharacters + 4096));
    for (size_t at = 0; at < clean.size();) {
        const auto lead = uint8_t(clean[at]);
        const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        const std::string_view character = std::string_view(clean).substr(at, length);
        at += length;
        const bool is_control = lead == 0x7F || (lead == 0xC2 && uint8_t(character[1]) < 0xA0);
        if (lead <= 0x20 || is_control) {
            if (!line.empty() && line.back() != ' ') {
                last_space = line.size();
                line += ' ';
                ++characters;
            }
            continue;
        }
        if (characters >= kMostTitleCharacters) {
            line.resize(last_space > 0 ? last_space : line.size());
            return line + "…";
        }
        line += character;
        ++characters;
    }
    while (line.ends_with(' ')) line.pop_back();
    return line;
}

// The text of a message: a string, or the first text among its parts.
std::string_view text_of(const Json& message) {
    const Json* content = message.find("content");
    if (!content) return {};
    if (content->is_string()) return content->as_string();
    if (!content->is_array()) return {};
    for (const Json& part : content->items())
        if (const Json* text = part.find("text"); text && text->is_string()) return text->as_string();
    return {};
}

constexpr std::string_view kSummary = "id, title, model, created_ms, updated_ms, message_count";

void read_summary(const Statement& row, ConversationSummary& summary) {
    summary.id = row.text(0);
    summary.title = one_line(row.text(1));
    summary.model = row.text(2);
    summary.created_ms = row.integer(3);
    summary.updated_ms = row.integer(4);
    summary.message_count = row.integer(5);
}

// Columns: those of the summary, revision, settings, messages.
Result<Conversation> read_conversation(const Statement& row) {
    Conversation conversation;
    read_summary(row, conversation);
    conversation.revision = row.integer(6);
    conversation.settings = TRY(stored_json(row.text(7), "the settings of conversation " + conversation.id));
    conversation.messages = TRY(stored_json(row.text(8), "the messages of conversation " + conversation.id));
    return conversation;
}

// The one conversation whose id is, or begins with, what somebody typed.
Result<std::string> find_id(Transaction& transaction, std::string_view typed) {
    const std::string begin = conversation_id_from(typed);
    const auto unknown = fail(ErrorKind::not_found, fmt::format("there is no conversation \"{}\"", one_line(typed)),
                              "list them to see which there are");
    if (begin.empty()) return unknown;
    constexpr size_t kShown = 5;
    Statement rows =
        TRY(transaction.prepare("SELECT id FROM conversations WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                                {begin, begin + "~", int64_t{kShown} + 1}));
    std::vector<std::string> found;
    while (TRY(rows.next())) {
        if (rows.text(0) == begin) return begin;
        found.push_back(rows.text(0));
    }
    if (found.empty()) return unknown;
    if (found.size() == 1) return found[0];
    std::string several;
    for (size_t i = 0; i < std::min(found.size(), kShown); ++i) several += (i > 0 ? ", " : "") + found[i];
    if (found.size() > kShown) several += " and more";
    return fail(ErrorKind::bad_request, fmt::format("several conversations begin with \"{}\": {}", begin, several),
                "give more of the id");
}

Result<std::string> unused_id(Transaction& transaction, int64_t now_ms) {
    for (int64_t attempt = 0;; ++attempt) {
        // Many in one second are rare; they take the numbers of the seconds after it.
        std::string id = TRY(new_conversation_id(now_ms + attempt / 16 * 1000));
        Statement taken = TRY(transaction.prepare("SELECT 1 FROM conversations WHERE id = ?", {id}));
        if (!TRY(taken.next())) return id;
    }
}

constexpr std::string_view kInsert =
    "INSERT INTO conversations VALUES(?1, ?2, ?3, ?4, ?5, ?6 + 1, ?7, ?8, ?9) ON CONFLICT(id) DO NOTHING";
// Never inserts: what somebody removed must not come back because another window still shows it.
constexpr std::string_view kUpdate =
    "UPDATE conversations SET title = ?2, model = ?3, created_ms = ?4, updated_ms = ?5, revision = ?6 + 1, "
    "message_count = ?7, settings = ?8, messages = ?9 WHERE id = ?1 AND revision = ?6";

// Why neither of them changed a row.
std::unexpected<Error> missed(Transaction& transaction, const std::string& id) {
    auto row = transaction.prepare("SELECT 1 FROM conversations WHERE id = ?", {id});
    if (!row) return std::unexpected(row.error());
    const auto is_there = row->next();
    if (!is_there) return std::unexpected(is_there.error());
    if (!*is_there)
        return fail(ErrorKind::not_found, fmt::format("conversation {} was removed meanwhile", id),
                    "save it as a new one to keep it");
    return fail(ErrorKind::bad_request, fmt::format("conversation {} was saved by somebody else meanwhile", id),
                "save it as a new one");
}

}  // namespace

std::string title_of(const Json& messages) {
    if (messages.is_array())
        for (const Json& message : messages.items()) {
            const Json* role = message.find("role");
            if (!role || !role->is_string() || role->as_string() != "user") continue;
            if (std::string title = one_line(text_of(message)); !title.empty()) return title;
        }
    return {};
}

Result<> Conversations::save(Conversation& conversation, int64_t now_ms) {
    if (!conversation.messages.is_array())
        return fail(ErrorKind::bad_request, "the messages of a conversation are no list");
    if (conversation.model.size() > kMostModelBytes)
        return fail(ErrorKind::bad_request, fmt::format("the name of a model has {} bytes, at most {} are kept",
                                                        conversation.model.size(), kMostModelBytes));
    if (!conversation.id.empty() && conversation_id_from(conversation.id) != conversation.id)
        return fail(ErrorKind::bad_request,
                    fmt::format("\"{}\" is no id of a conversation", one_line(conversation.id)));
    const std::string messages =
        TRY(text_to_store(conversation.messages, kMostMessageBytes, "the messages of a conversation"));
    const std::string settings =
        TRY(text_to_store(conversation.settings, kMostSettingBytes, "the settings of a conversation"));
    ConversationSummary kept = conversation;
    kept.title = one_line(kept.title);
    if (kept.title.empty()) kept.title = title_of(conversation.messages);
    kept.model = valid_utf8(kept.model);
    kept.message_count = int64_t(conversation.messages.items().size());
    if (kept.created_ms == 0) kept.created_ms = now_ms;
    kept.updated_ms = now_ms;

    Transaction transaction = TRY(database_->write());
    if (kept.id.empty()) {
        kept.id = TRY(unused_id(transaction, now_ms));
        conversation.revision = 0;
    }
    TRY(transaction.run(conversation.revision == 0 ? kInsert : kUpdate,
                        {kept.id, kept.title, kept.model, kept.created_ms, kept.updated_ms, conversation.revision,
                         kept.message_count, settings, messages}));
    if (transaction.changed_rows() == 0) return missed(transaction, kept.id);
    TRY(transaction.commit());
    static_cast<ConversationSummary&>(conversation) = std::move(kept);
    ++conversation.revision;
    return {};
}

Result<Conversation> Conversations::load(std::string_view id) {
    Transaction transaction = TRY(database_->read());
    const std::string found = TRY(find_id(transaction, id));
    Statement row = TRY(transaction.prepare(
        fmt::format("SELECT {}, revision, settings, messages FROM conversations WHERE id = ?", kSummary), {found}));
    TRY(row.next());
    return read_conversation(row);
}

Result<> Conversations::remove(std::string_view id) {
    {
        Transaction transaction = TRY(database_->write());
        const std::string found = TRY(find_id(transaction, id));
        TRY(transaction.run("DELETE FROM conversations WHERE id = ?", {found}));
        TRY(transaction.commit());
    }
    return database_->give_back_freed();
}

Result<> Conversations::remove_all() {
    {
        Transaction transaction = TRY(database_->write());
        TRY(transaction.run("DELETE FROM conversations"));
        TRY(transaction.commit());
    }
    return database_->give_back_freed();
}

Result<std::optional<Conversation>> Conversations::latest() {
    Transaction transaction = TRY(database_->read());
    Statement row = TRY(transaction.prepare(fmt::format(
        "SELECT {}, revision, settings, messages FROM conversations ORDER BY updated_ms DESC, id DESC LIMIT 1",
        kSummary)));
    if (!TRY(row.next())) return std::optional<Conversation>();
    return TRY(read_conversation(row));
}

Result<std::vector<ConversationSummary>> Conversations::list(int64_t most) {
    Transaction transaction = TRY(database_->read());
    Statement rows = TRY(transaction.prepare(
        fmt::format("SELECT {} FROM conversations ORDER BY updated_ms DESC, id DESC LIMIT ?", kSummary),
        {std::clamp<int64_t>(most, 0, kMostListed)}));
    std::vector<ConversationSummary> list;
    while (TRY(rows.next())) read_summary(rows, list.emplace_back());
    return list;
}

}  // namespace hearth::store
