// Calls between <tool_call> and </tool_call>: JSON (Hermes), XML (Qwen 3.5, Nemotron 3) or keys and values (GLM).
// Models of one family now and then write the form of another, so the first byte decides, not the family.
#include "base/json.h"
#include "chat/call_reader.h"
#include "chat/value_reader.h"

namespace hearth::chat {

namespace {

// The arguments of a call whose syntax has one piece of text per parameter. A parameter that is a string streams; what
// another text means shows only when it is complete.
class ParameterTexts {
public:
    void begin(std::string_view key, ParameterKind kind, std::string& out) {
        out += is_first_ ? "{\"" : ",\"";
        is_first_ = false;
        append_json_escaped(key, out);
        out += "\":";
        kind_ = kind;
        is_open_ = true;
        text_.clear();
        json_ = JsonPlace::before;
        if (streams()) out += '"';
    }
    void take(char c, std::string& out) {
        if (streams())
            append_json_escaped(std::string_view(&c, 1), out);
        else
            text_ += c, follow_json(c);
    }
    // In a string of JSON: what reads like a mark is part of it.
    bool is_in_json_string() const { return json_ == JsonPlace::string || json_ == JsonPlace::escape; }
    void end(std::string& out) {
        out += streams() ? "\"" : typed_value(text_, kind_);
        is_open_ = false;
        text_.clear();
    }
    void close(std::string& out) {
        if (is_open_) end(out);
        out += is_first_ ? "{}" : "}";
    }

private:
    enum class JsonPlace : uint8_t { before, outside, string, escape, none };

    bool streams() const { return kind_ == ParameterKind::string; }
    void follow_json(char c) {
        switch (json_) {
            case JsonPlace::before:
                if (Unit(c).is_space()) break;
                json_ = c == '"' ? JsonPlace::string : c == '{' || c == '[' ? JsonPlace::outside : JsonPlace::none;
                break;
            case JsonPlace::outside:
                if (c == '"') json_ = JsonPlace::string;
                break;
            case JsonPlace::string:
                if (c == '\\') json_ = JsonPlace::escape;
                if (c == '"') json_ = JsonPlace::outside;
                if (c == '\n') json_ = JsonPlace::none;  // no JSON after all
                break;
            case JsonPlace::escape:
                json_ = JsonPlace::string;
                break;
            case JsonPlace::none:
                break;
        }
    }
    bool is_first_ = true, is_open_ = false;
    ParameterKind kind_ = ParameterKind::unknown;
    JsonPlace json_ = JsonPlace::before;
    std::string text_;
};

class XmlCallReader final : public CallReader {
public:
    std::unique_ptr<CallReader> clone() const override { return std::make_unique<XmlCallReader>(*this); }

    MarkSet marks() const override {
        if (place_ == Place::body) return {Mark::parameter, Mark::function_end};
        if (place_ != Place::value) return {};
        // With the line break in front it always ends: strings of JSON hold none.
        if (parameters_.is_in_json_string() && !holds_line_) return {Mark::parameter_end_line};
        return {Mark::parameter_end, Mark::parameter_end_line};
    }

    Step take(Unit unit, Calls& calls) override {
        switch (place_) {
            case Place::name:
            case Place::key:
                if (unit.is_mark() || unit.is('\n') || !has_room(word_, unit)) return Step::failed;
                if (!unit.is('>')) {
                    word_ += unit.byte();
                    return Step::more;
                }
                return place_ == Place::name ? end_name(calls) : end_key(calls);
            case Place::body:
                if (unit.is_space()) return Step::more;
                if (unit.is(Mark::parameter)) {
                    place_ = Place::key;
                    word_.clear();
                    return Step::more;
                }
                if (!unit.is(Mark::function_end)) return Step::failed;
                close(calls);
                calls.end();
                return Step::done;
            case Place::value:
                // The line break in front of the end is none of the value; where the end is a token, it comes before.
                if (holds_line_ && !unit.is(Mark::parameter_end)) parameters_.take('\n', out_);
                holds_line_ = false;
                if (unit.is_mark()) {
                    parameters_.end(out_);
                    place_ = Place::body;
                } else if (is_begun_ && unit.is('\n')) {
                    holds_line_ = true;
                } else {
                    if (!unit.is('\n')) parameters_.take(unit.byte(), out_);  // else the line break behind the key
                    is_begun_ = true;
                }
                calls.arguments(out_);
                return Step::more;
        }
        return Step::failed;
    }

    void close(Calls& calls) override {
        if (!calls.is_open()) return;
        if (holds_line_) parameters_.take('\n', out_);
        holds_line_ = false;
        parameters_.close(out_);
        calls.arguments(out_);
    }

private:
    enum class Place : uint8_t { name, body, key, value };

    Step end_name(Calls& calls) {
        if (!calls.knows(word_)) return Step::failed;
        name_ = word_;
        calls.begin(name_);
        place_ = Place::body;
        return Step::more;
    }
    Step end_key(Calls& calls) {
        parameters_.begin(word_, calls.tools().kind(name_, word_), out_);
        calls.arguments(out_);
        is_begun_ = false;
        place_ = Place::value;
        return Step::more;
    }

    Place place_ = Place::name;
    std::string word_, name_, out_;
    bool is_begun_ = false, holds_line_ = false;
    ParameterTexts parameters_;
};

class KeyValueCallReader final : public CallReader {
public:
    std::unique_ptr<CallReader> clone() const override { return std::make_unique<KeyValueCallReader>(*this); }

    MarkSet marks() const override {
        if (place_ == Place::name) return {Mark::key, Mark::call_close};
        if (place_ == Place::key) return {Mark::key_end};
        if (place_ == Place::value) return {Mark::value_end};
        return {Mark::key, Mark::value, Mark::call_close};
    }

    Step take(Unit unit, Calls& calls) override {
        switch (place_) {
            case Place::name:
                if (!unit.is_mark() && !unit.is('\n')) {
                    if (!has_room(word_, unit)) return Step::failed;
                    word_ += unit.byte();
                    return Step::more;
                }
                while (!word_.empty() && Unit(word_.back()).is_space()) word_.pop_back();
                if (!calls.knows(word_)) return Step::failed;
                name_ = word_;
                calls.begin(name_);
                place_ = Place::between;
                return unit.is_mark() ? take(unit, calls) : Step::more;
            case Place::between:
                if (unit.is_space()) return Step::more;
                word_.clear();
                if (unit.is(Mark::key)) {
                    place_ = Place::key;
                    return Step::more;
                }
                if (!unit.is(Mark::call_close)) return Step::failed;
                close(calls);
                calls.end();
                return Step::done;
            case Place::key:
                if (unit.is(Mark::key_end)) {
                    place_ = Place::before_value;
                    return Step::more;
                }
                if (unit.is_mark() || !has_room(word_, unit)) return Step::failed;
                word_ += unit.byte();
                return Step::more;
            case Place::before_value:
                if (unit.is_space()) return Step::more;
                if (!unit.is(Mark::value)) return Step::failed;
                parameters_.begin(word_, calls.tools().kind(name_, word_), out_);
                place_ = Place::value;
                break;
            case Place::value:
                if (unit.is(Mark::value_end)) {
                    parameters_.end(out_);
                    place_ = Place::between;
                } else {
                    parameters_.take(unit.byte(), out_);
                }
                break;
        }
        calls.arguments(out_);
        return Step::more;
    }

    void close(Calls& calls) override {
        if (!calls.is_open()) return;
        parameters_.close(out_);
        calls.arguments(out_);
    }

private:
    enum class Place : uint8_t { name, between, key, before_value, value };

    Place place_ = Place::name;
    std::string word_, name_, out_;
    ParameterTexts parameters_;
};

class TaggedCallReader final : public CallReader {
public:
    explicit TaggedCallReader(bool is_python) : is_python_(is_python) {}
    std::unique_ptr<CallReader> clone() const override {
        auto copy = std::make_unique<TaggedCallReader>(is_python_);
        if (inner_) copy->inner_ = inner_->clone();
        return copy;
    }
    MarkSet marks() const override {
        if (inner_) return inner_->marks();
        return is_python_ ? MarkSet{} : MarkSet{Mark::function};
    }

    Step take(Unit unit, Calls& calls) override {
        if (inner_) return inner_->take(unit, calls);
        if (unit.is_space()) return Step::more;
        if (unit.is(Mark::function)) {
            inner_ = make_xml_call_reader();
            return Step::more;
        }
        if (unit.is_mark()) return Step::failed;
        if (unit.is('{') || (unit.is('[') && !is_python_))
            inner_ = make_json_call_reader(false);
        else
            inner_ = is_python_ ? make_python_call_reader() : make_key_value_call_reader();
        return inner_->take(unit, calls);
    }
    void close(Calls& calls) override {
        if (inner_) inner_->close(calls);
    }

private:
    bool is_python_;
    std::unique_ptr<CallReader> inner_;
};

}  // namespace

std::unique_ptr<CallReader> make_tagged_call_reader(bool is_python) {
    return std::make_unique<TaggedCallReader>(is_python);
}
std::unique_ptr<CallReader> make_xml_call_reader() {
    return std::make_unique<XmlCallReader>();
}
std::unique_ptr<CallReader> make_key_value_call_reader() {
    return std::make_unique<KeyValueCallReader>();
}

}  // namespace hearth::chat
