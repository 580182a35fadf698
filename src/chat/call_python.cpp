// Calls written as Python: [f(city="Kyoto", days=2), g()] (LFM 2), or a single one (Llama's built-in tools,
// "f.call(...)").
#include <cctype>

#include "base/json.h"
#include "chat/call_reader.h"
#include "chat/value_reader.h"

namespace hearth::chat {

namespace {

class PythonCallReader final : public CallReader {
public:
    std::unique_ptr<CallReader> clone() const override { return std::make_unique<PythonCallReader>(*this); }
    MarkSet marks() const override { return {}; }

    Step take(Unit unit, Calls& calls) override {
        if (unit.is_mark()) return Step::failed;
        if (place_ == Place::value) return take_in_value(unit, calls);
        if (place_ == Place::word) return take_in_word(unit, calls);
        if (unit.is_space()) return Step::more;
        switch (place_) {
            case Place::start:
                if (unit.is('[')) {
                    is_list_ = true;
                    place_ = Place::name;
                    return Step::more;
                }
                place_ = Place::name;
                [[fallthrough]];
            case Place::name:
                if (word_.empty() && unit.is(']') && is_list_) return Step::done;
                if (unit.is('(')) return begin_call(calls);
                if (!is_in_name(unit) || !has_room(word_, unit)) return Step::failed;
                word_ += unit.byte();
                return Step::more;
            case Place::argument:
                if (unit.is(')')) return end_call(calls);
                word_.clear();
                if (is_in_word(unit)) {
                    word_ = unit.byte();
                    place_ = Place::word;
                    return Step::more;
                }
                return begin_positional(calls) ? take_in_value(unit, calls) : Step::failed;
            case Place::after_argument:
                if (unit.is(')')) return end_call(calls);
                if (!unit.is(',')) return Step::failed;
                place_ = Place::argument;
                return Step::more;
            case Place::after_call:
                if (unit.is(']')) return Step::done;
                if (!unit.is(',')) return Step::failed;
                place_ = Place::name;
                word_.clear();
                return Step::more;
            default:
                return Step::failed;
        }
    }

    void close(Calls& calls) override {
        if (!calls.is_open()) return;
        if (place_ == Place::value) value_.close(out_);
        out_ += arguments_ == 0 ? "{}" : "}";
        calls.arguments(out_);
    }

private:
    enum class Place : uint8_t { start, name, argument, word, value, after_argument, after_call };

    static bool is_in_word(Unit unit) {
        return !unit.is_mark() && (std::isalnum(uint8_t(unit.byte())) || unit.is('_'));
    }
    static bool is_in_name(Unit unit) { return is_in_word(unit) || unit.is('.') || unit.is('-'); }

    Step begin_call(Calls& calls) {
        constexpr std::string_view kCall = ".call";
        if (!calls.tools().contains(word_) && word_.ends_with(kCall)) word_.resize(word_.size() - kCall.size());
        if (!calls.knows(word_)) return Step::failed;
        name_ = word_;
        arguments_ = 0;
        calls.begin(name_);
        place_ = Place::argument;
        return Step::more;
    }
    Step end_call(Calls& calls) {
        out_ += arguments_ == 0 ? "{}" : "}";
        calls.arguments(out_);
        calls.end();
        place_ = Place::after_call;
        return is_list_ ? Step::more : Step::done;
    }
    void begin_value(std::string_view key, Calls& calls) {
        out_ += arguments_++ == 0 ? "{\"" : ",\"";
        append_json_escaped(key, out_);
        out_ += "\":";
        calls.arguments(out_);
        value_ = ValueReader(ValueReader::Flavour::python);
        place_ = Place::value;
    }
    bool begin_positional(Calls& calls) {
        const std::string_view key = calls.tools().parameter(name_, arguments_);
        if (key.empty()) return false;
        begin_value(key, calls);
        return true;
    }

    // A name with "=" behind it, or a value that needs no quotes.
    Step take_in_word(Unit unit, Calls& calls) {
        if (is_in_word(unit)) {
            if (is_word_over_ || !has_room(word_, unit)) return Step::failed;
            word_ += unit.byte();
            return Step::more;
        }
        if (unit.is_space()) {
            is_word_over_ = true;
            return Step::more;
        }
        is_word_over_ = false;
        if (unit.is('=')) {
            begin_value(word_, calls);
            return Step::more;
        }
        if (!begin_positional(calls)) return Step::failed;
        for (const char c : word_)
            if (value_.take(c, out_) != Step::more) return Step::failed;
        return take_in_value(unit, calls);
    }

    Step take_in_value(Unit unit, Calls& calls) {
        const Step step = value_.take(unit, out_);
        calls.arguments(out_);
        if (step == Step::failed || step == Step::more) return step;
        place_ = Place::after_argument;
        return step == Step::done_before ? take(unit, calls) : Step::more;
    }

    Place place_ = Place::start;
    bool is_list_ = false, is_word_over_ = false;
    size_t arguments_ = 0;
    std::string word_, name_, out_;
    ValueReader value_;
};

}  // namespace

std::unique_ptr<CallReader> make_python_call_reader() {
    return std::make_unique<PythonCallReader>();
}

}  // namespace hearth::chat
