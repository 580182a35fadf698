// The items of the Responses API: what a client sends as `input`, and what items are as messages of a conversation.
#pragma once

#include <expected>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/api/fields.h"

namespace hearth::server {

std::string text_of(const Json& item, std::string_view name);  // "" where it is no text

// Checks the input. Its items come out complete: with type, id and status, content in parts, references replaced by
// what they refer to.
class InputItems {
public:
    using Find = std::function<std::expected<Json, std::string>(const std::string& id)>;
    InputItems(Fields& fields, std::string response_id, Find find)
        : fields_(fields), response_id_(std::move(response_id)), find_(std::move(find)) {}

    void read(const Json& input);  // a text, or a list of items

    Json items = Json::array();
    std::vector<std::string> notes;  // what of them the model does not see

private:
    bool no(std::string_view name, std::string why, std::string code = {});
    void note_unknown(const Json& item, std::initializer_list<std::string_view> known);
    bool read_one(Json item);
    bool read_message(Json& item);
    bool read_call(Json& item);
    bool read_output(Json& item);
    bool read_reasoning(Json& item);
    bool read_reference(Json& item);
    bool has_text(const Json& item, const char* name);
    bool read_parts(Json& item, const char* name, const char* written_as);
    void complete(Json& item, std::string_view kind);

    Fields& fields_;
    const std::string response_id_;
    const Find find_;
    std::string at_;
};

// Of the items of a conversation, one after the other, those of one answer become one message.
class ItemMessages {
public:
    void add(const Json& item);  // one that was checked
    void add_all(const Json& items);
    Json take();
    // An output whose call is nowhere before it; empty: there is none.
    const std::string& orphan() const { return orphan_; }

private:
    void flush();

    Json messages_ = Json::array();
    bool is_open_ = false;  // the assistant's message below may go on
    std::string thinking_, text_;
    Json calls_ = Json::array();
    std::set<std::string> call_ids_;
    std::string orphan_;
};

}  // namespace hearth::server
