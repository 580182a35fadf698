// Calls as JSON objects, {"name": "f", "arguments": {...}}, one or a list of them: Hermes, Qwen 2.5 and 3, Llama 3
// ("parameters"), Nemo, Phi, Nemotron v2, Granite. Arguments stream out once the name is known; when they come first,
// they wait for it.
#include <array>

#include "chat/call_reader.h"
#include "chat/value_reader.h"

namespace hearth::chat {

namespace {

class JsonCallReader final : public CallReader {
public:
    explicit JsonCallReader(bool is_bare) : is_bare_(is_bare) {}
    std::unique_ptr<CallReader> clone() const override { return std::make_unique<JsonCallReader>(*this); }
    MarkSet marks() const override { return {}; }

    Step take(Unit unit, Calls& calls) override {
        if (unit.is_mark()) return Step::failed;
        switch (place_) {
            case Place::key_text: {
                if (!has_room(text_, unit)) return Step::failed;
                const Step step = value_.take(unit, text_);
                if (step == Step::failed) return step;
                if (step == Step::done) {
                    key_ = decoded();
                    place_ = Place::colon;
                    if (is_bare_ && !is_known_key()) return Step::failed;
                }
                return Step::more;
            }
            case Place::value:
                return take_in_value(unit, calls);
            default:
                return unit.is_space() ? Step::more : take_between(unit, calls);
        }
    }

    void close(Calls& calls) override {
        if (!calls.is_open()) return;
        if (streams_) {
            value_.close(text_);
            calls.arguments(text_);
        }
        if (has_arguments_) calls.end();  // only a bracket or what is beside the arguments is missing
    }

private:
    enum class Place : uint8_t { start, item, key, key_text, colon, value_start, value, after_value, after_item };

    bool is_arguments() const { return key_ == "arguments" || key_ == "parameters"; }
    bool is_known_key() const {
        constexpr std::array kKeys{"name", "arguments", "parameters", "type", "function", "id", "index"};
        for (const char* key : kKeys)
            if (key_ == key) return true;
        return false;
    }
    std::string decoded() {
        const auto read = Json::parse(text_);
        text_.clear();
        return read && read->is_string() ? read->as_string() : "";
    }

    Step take_between(Unit unit, Calls& calls) {
        switch (place_) {
            case Place::start:
                if (unit.is('[') && !is_bare_) {
                    is_list_ = true;
                    place_ = Place::item;
                    return Step::more;
                }
                return unit.is('{') ? begin_object() : Step::failed;
            case Place::item:
                if (unit.is(']')) return Step::done;
                return unit.is('{') ? begin_object() : Step::failed;
            case Place::after_item:
                if (unit.is(']')) return Step::done;
                if (!unit.is(',')) return Step::failed;
                place_ = Place::item;
                return Step::more;
            case Place::key:
                if (unit.is('}')) return end_object(calls);
                if (!unit.is('"') && !unit.is('\'')) return Step::failed;
                begin_value(Place::key_text);
                return value_.take(unit, text_);
            case Place::colon:
                if (!unit.is(':')) return Step::failed;
                place_ = Place::value_start;
                return Step::more;
            case Place::value_start:
                if (key_ == "function" && unit.is('{')) {  // {"type": "function", "function": {"name": ...}}
                    if (++nested_ > 4) return Step::failed;
                    place_ = Place::key;
                    return Step::more;
                }
                if (is_arguments() && unit.is('{') && !name_.empty() && !has_arguments_) {
                    calls.begin(name_, id_);
                    streams_ = true;
                }
                begin_value(Place::value);
                return take_in_value(unit, calls);
            case Place::after_value:
                if (unit.is('}')) return end_object(calls);
                if (!unit.is(',')) return Step::failed;
                place_ = Place::key;
                return Step::more;
            default:
                return Step::failed;
        }
    }

    void begin_value(Place place) {
        value_ = ValueReader();
        text_.clear();
        place_ = place;
    }

    Step begin_object() {
        name_.clear(), id_.clear(), arguments_.clear();
        has_arguments_ = false;
        place_ = Place::key;
        return Step::more;
    }

    Step take_in_value(Unit unit, Calls& calls) {
        const Step step = value_.take(unit, text_);
        if (streams_) calls.arguments(text_);
        if (step == Step::failed || step == Step::more) return step;
        place_ = Place::after_value;
        if (streams_) {
            has_arguments_ = true;
            streams_ = false;
        } else if (!end_value(calls)) {
            return Step::failed;
        }
        return step == Step::done_before ? take(unit, calls) : Step::more;
    }

    bool end_value(Calls& calls) {
        if (is_arguments() && !has_arguments_) {
            auto read = Json::parse(text_);
            // Some models write the object as a string with JSON in it.
            if (read && read->is_string() && !read->as_string().empty())
                read = Json::parse(read->as_string(), int(ValueReader::kDeepest));
            else if (read && (read->is_null() || read->is_string()))
                read = Json::object();
            if (!read || !read->is_object()) return false;
            arguments_ = read->dump();
            has_arguments_ = true;
        } else if (key_ == "name" || key_ == "function") {
            name_ = decoded();
            return !name_.empty() && calls.knows(name_);
        } else if (key_ == "id") {
            id_ = decoded();
            if (!has_room(id_, 'x')) id_.clear();
        }
        text_.clear();
        return true;
    }

    Step end_object(Calls& calls) {
        if (nested_ > 0) {
            --nested_;
            place_ = Place::after_value;
            return Step::more;
        }
        if (name_.empty()) return Step::failed;
        if (!calls.is_open()) {
            calls.begin(name_, id_);
            std::string all = arguments_.empty() ? "{}" : arguments_;
            calls.arguments(all);
        }
        calls.end();
        place_ = Place::after_item;
        return is_list_ ? Step::more : Step::done;
    }

    bool is_bare_;
    Place place_ = Place::start;
    bool is_list_ = false, has_arguments_ = false, streams_ = false;
    int nested_ = 0;
    ValueReader value_;
    std::string text_;  // JSON text of the value at hand, as far as it was not sent on
    std::string key_, name_, id_, arguments_;
};

}  // namespace

std::unique_ptr<CallReader> make_json_call_reader(bool is_bare) {
    return std::make_unique<JsonCallReader>(is_bare);
}

}  // namespace hearth::chat
