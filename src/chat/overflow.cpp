#include "chat/overflow.h"

#include <algorithm>
#include <optional>

namespace hearth::chat {

std::optional<Overflow> overflow_named(std::string_view name) {
    static constexpr std::pair<std::string_view, Overflow> kNames[] = {{"refuse", Overflow::refuse},
                                                                       {"oldest", Overflow::oldest},
                                                                       {"middle", Overflow::middle},
                                                                       {"summarise", Overflow::summarise}};
    for (const auto& [known, policy] : kNames)
        if (known == name) return policy;
    return std::nullopt;
}

int64_t room_for_reply(int64_t context_tokens, int64_t max_tokens) {
    return max_tokens > 0 ? std::min(max_tokens, context_tokens / 2) : std::min<int64_t>(1024, context_tokens / 4);
}

namespace {

std::string_view role_of(const Json& message) {
    const Json* role = message.find("role");
    return role && role->is_string() ? std::string_view(role->as_string()) : std::string_view();
}

size_t character_begin(std::string_view text, size_t at) {
    while (at > 0 && at < text.size() && (text[at] & 0xC0) == 0x80) --at;
    return at;
}

std::string with_middle_cut(std::string_view text, size_t kept) {
    const size_t head = character_begin(text, kept - kept / 2);
    const size_t tail = character_begin(text, text.size() - kept / 2);
    return fmt::format("{}\n[... {} characters left out ...]\n{}", text.substr(0, head), tail - head,
                       text.substr(tail));
}

}  // namespace

// Messages in front of the first question, and turns that begin with a question each.
struct ConversationFitter::Turns {
    Json::Array opening;
    std::vector<Json::Array> turns;

    explicit Turns(const Json& messages) {
        for (const Json& message : messages.items()) {
            if (role_of(message) == "user") turns.emplace_back();
            (turns.empty() ? opening : turns.back()).push_back(message);
        }
    }
};

Json ConversationFitter::without(const Turns& turns, size_t left_out) const {
    Json messages(turns.opening);
    if (left_out > 0 && policy_ == Overflow::summarise && !summary_.empty()) {
        const std::string told = "What was said before, summed up:\n" + summary_;
        if (!turns.opening.empty() && turns.opening[0].find("content") && turns.opening[0].find("content")->is_string())
            messages.items()[0].set("content", turns.opening[0].find("content")->as_string() + "\n\n" + told);
        else
            messages.items().insert(messages.items().begin(),
                                    Json(Json::Object{{"role", "system"}, {"content", told}}));
    }
    const size_t first = policy_ == Overflow::middle && left_out > 0 ? 1 : 0;  // turns that stay in front
    for (size_t turn = 0; turn < turns.turns.size(); ++turn)
        if (turn < first || turn >= first + left_out)
            for (const Json& message : turns.turns[turn]) messages.push(message);
    return messages;
}

std::unexpected<Error> ConversationFitter::too_long(int64_t tokens) const {
    return fail(ErrorKind::bad_request,
                fmt::format("the last question alone makes a prompt of {} tokens, {} fit beside the answer", tokens,
                            most_tokens_),
                "use a larger --ctx, a shorter question, or --overflow middle");
}

Result<size_t> ConversationFitter::enough_to_leave_out(const Turns& turns, size_t most, const Count& count) const {
    // A summary takes room too.
    const int64_t enough = policy_ == Overflow::summarise ? most_tokens_ / 2 : most_tokens_ / 4 * 3;
    size_t low = std::min(left_out_ + 1, most), high = most;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (TRY(count(without(turns, middle))) <= enough)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

// The longest text of the last turn loses its middle.
Result<Json> ConversationFitter::cut_message(const Turns& turns, size_t left_out, const Count& count,
                                             int64_t& characters) const {
    Json messages = without(turns, left_out);
    const size_t begin = messages.items().size() - turns.turns.back().size();
    std::string* longest = nullptr;
    Json* holder = nullptr;
    std::string text;
    for (size_t i = begin; i < messages.items().size(); ++i) {
        const Json* content = messages.items()[i].find("content");
        if (!content || !content->is_string() || content->as_string().size() < text.size()) continue;
        text = content->as_string();
        holder = &messages.items()[i];
        longest = &text;
    }
    if (!longest) return too_long(TRY(count(messages)));
    size_t low = 0, high = text.size();  // `low` bytes of it fit
    while (high - low > 64) {
        const size_t middle = low + (high - low) / 2;
        holder->set("content", with_middle_cut(text, middle));
        (TRY(count(messages)) <= most_tokens_ ? low : high) = middle;
    }
    holder->set("content", with_middle_cut(text, low));
    if (const int64_t tokens = TRY(count(messages)); tokens > most_tokens_) return too_long(tokens);
    characters = int64_t(text.size() - low);
    return messages;
}

Result<Json> ConversationFitter::fit(const Json& messages, const Count& count, const Summarise& summarise) {
    notice_.clear();
    const Turns turns(messages);
    if (policy_ == Overflow::refuse || turns.turns.empty()) return messages;
    const size_t most = turns.turns.size() - (policy_ == Overflow::middle && turns.turns.size() > 1 ? 2 : 1);
    if (left_out_ > most || summarised_ > most) left_out_ = summarised_ = 0, summary_.clear();  // another conversation

    Json fitting = without(turns, left_out_);
    int64_t characters = 0;
    if (TRY(count(fitting)) > most_tokens_) {
        left_out_ = TRY(enough_to_leave_out(turns, most, count));
        if (policy_ == Overflow::summarise && left_out_ > summarised_) {
            Json earlier = without(turns, summarised_);
            // What is left out now and was not yet: behind the opening, before the turns that stay.
            size_t staying = 0;
            for (size_t turn = left_out_; turn < turns.turns.size(); ++turn) staying += turns.turns[turn].size();
            earlier.items().resize(earlier.items().size() - staying);
            if (auto summary = summarise(earlier)) {
                summary_ = std::move(*summary);
                summarised_ = left_out_;
            } else {
                notice_ = "earlier turns could not be summed up (" + summary.error().what + "); ";
            }
        }
        fitting = without(turns, left_out_);
        if (const int64_t tokens = TRY(count(fitting)); tokens > most_tokens_) {
            if (policy_ != Overflow::middle) return too_long(tokens);
            fitting = TRY(cut_message(turns, left_out_, count, characters));
        }
    }
    if (left_out_ > 0)
        notice_ += fmt::format("the model does not see {} earlier turn{} of this conversation{}", left_out_,
                               left_out_ == 1 ? "" : "s", summarised_ > 0 ? ", but a summary" : "");
    if (characters > 0)
        notice_ += fmt::format("{}{} characters in the middle of a message were left out", left_out_ > 0 ? "; " : "",
                               characters);
    return fitting;
}

}  // namespace hearth::chat
