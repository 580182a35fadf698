// Calls that begin with a bare name: NAME[ARGS]{...} (Mistral), call:NAME{...} (Gemma 4), DeepSeek's lists, and
// harmony's, where the name stood in the message's header.
#include "chat/call_reader.h"
#include "chat/value_reader.h"

namespace hearth::chat {

namespace {

using Flavour = ValueReader::Flavour;

// Name, then an object.
class NamedReader : public CallReader {
public:
    explicit NamedReader(Flavour flavour) : value_(flavour) {}

    void close(Calls& calls) override {
        if (!calls.is_open()) return;
        if (value_.has_begun())
            value_.close(out_);
        else
            out_ += "{}";
        calls.arguments(out_);
    }

protected:
    bool add_to_name(Unit unit) {
        if (unit.is_mark() || !has_room(name_, unit)) return false;
        name_ += unit.byte();
        return true;
    }
    bool begin_call(Calls& calls, std::string_view id = {}) {
        while (!name_.empty() && Unit(name_.back()).is_space()) name_.pop_back();
        if (!calls.knows(name_)) return false;
        calls.begin(name_, id);
        return true;
    }
    Step take_arguments(Unit unit, Calls& calls) {
        if (!value_.has_begun() && !unit.is_space() && !unit.is('{')) return Step::failed;
        const Step step = value_.take(unit, out_);
        calls.arguments(out_);
        if (step == Step::done) calls.end();
        return step;
    }

    ValueReader value_;
    std::string name_, out_;
};

class NameJsonCallReader final : public NamedReader {
public:
    NameJsonCallReader() : NamedReader(Flavour::json) {}
    NameJsonCallReader(const NameJsonCallReader& other)
        : NamedReader(other),
          place_(other.place_),
          id_(other.id_),
          list_(other.list_ ? other.list_->clone() : nullptr) {}
    std::unique_ptr<CallReader> clone() const override { return std::make_unique<NameJsonCallReader>(*this); }

    MarkSet marks() const override {
        if (list_) return list_->marks();
        if (place_ == Place::name) return {Mark::call_id, Mark::arguments};
        if (place_ == Place::id) return {Mark::arguments};
        return {};
    }

    Step take(Unit unit, Calls& calls) override {
        if (list_) return list_->take(unit, calls);
        switch (place_) {
            case Place::name:
                if (name_.empty() && unit.is_space()) return Step::more;
                if (name_.empty() && (unit.is('[') || unit.is('{'))) {
                    list_ = make_json_call_reader(false);
                    return list_->take(unit, calls);
                }
                if (unit.is(Mark::call_id)) {
                    place_ = Place::id;
                    return Step::more;
                }
                if (!unit.is(Mark::arguments) && !unit.is('{')) return add_to_name(unit) ? Step::more : Step::failed;
                break;
            case Place::id:
                if (!unit.is(Mark::arguments)) {
                    if (unit.is_mark() || !has_room(id_, unit)) return Step::failed;
                    id_ += unit.byte();
                    return Step::more;
                }
                break;
            case Place::arguments:
                return take_arguments(unit, calls);
        }
        if (!begin_call(calls, id_)) return Step::failed;
        place_ = Place::arguments;
        return unit.is('{') ? take_arguments(unit, calls) : Step::more;
    }
    void close(Calls& calls) override { list_ ? list_->close(calls) : NamedReader::close(calls); }

private:
    enum class Place : uint8_t { name, id, arguments } place_ = Place::name;
    std::string id_;
    std::unique_ptr<CallReader> list_;
};

class GemmaCallReader final : public NamedReader {
public:
    GemmaCallReader() : NamedReader(Flavour::gemma) {}
    std::unique_ptr<CallReader> clone() const override { return std::make_unique<GemmaCallReader>(*this); }
    MarkSet marks() const override { return value_.marks(); }

    Step take(Unit unit, Calls& calls) override {
        if (value_.has_begun()) return take_arguments(unit, calls);
        if (name_.empty() && unit.is_space()) return Step::more;
        if (!unit.is('{')) return add_to_name(unit) ? Step::more : Step::failed;
        constexpr std::string_view kCall = "call:";
        if (name_.starts_with(kCall)) name_.erase(0, kCall.size());
        return begin_call(calls) ? take_arguments(unit, calls) : Step::failed;
    }
};

class ArgumentsReader final : public NamedReader {
public:
    explicit ArgumentsReader(std::string name) : NamedReader(Flavour::json) { name_ = std::move(name); }
    std::unique_ptr<CallReader> clone() const override { return std::make_unique<ArgumentsReader>(*this); }
    MarkSet marks() const override { return {}; }
    Step take(Unit unit, Calls& calls) override {
        if (!calls.is_open()) {
            if (unit.is_space()) return Step::more;
            if (!unit.is('{') || !begin_call(calls)) return Step::failed;
        }
        return take_arguments(unit, calls);
    }
};

class DeepSeekCallReader final : public NamedReader {
public:
    DeepSeekCallReader() : NamedReader(Flavour::json) {}
    std::unique_ptr<CallReader> clone() const override { return std::make_unique<DeepSeekCallReader>(*this); }

    MarkSet marks() const override {
        if (place_ == Place::list) return {Mark::item, Mark::call_close};
        if (place_ == Place::type) return {Mark::item_name};
        if (place_ == Place::after) return {Mark::item_end};
        return {};
    }

    Step take(Unit unit, Calls& calls) override {
        switch (place_) {
            case Place::list:
                if (unit.is_space()) return Step::more;
                if (unit.is(Mark::call_close)) return Step::done;
                if (!unit.is(Mark::item)) return Step::failed;
                name_.clear();
                place_ = Place::type;
                return Step::more;
            case Place::type:
                if (!unit.is(Mark::item_name)) return add_to_name(unit) ? Step::more : Step::failed;
                name_.clear();
                place_ = Place::name;
                return Step::more;
            case Place::name:
                if (!unit.is('\n')) return add_to_name(unit) ? Step::more : Step::failed;
                if (!begin_call(calls)) return Step::failed;
                value_ = ValueReader();
                fence_ = 0;
                place_ = Place::fence;
                return Step::more;
            case Place::fence:  // ```json
                if (!unit.is('{'))
                    return unit.is_mark() || (++fence_ > 16 && !unit.is_amid_character()) ? Step::failed : Step::more;
                place_ = Place::arguments;
                [[fallthrough]];
            case Place::arguments: {
                const Step step = take_arguments(unit, calls);
                if (step != Step::done) return step;
                place_ = Place::after;
                return Step::more;
            }
            case Place::after:
                if (unit.is(Mark::item_end)) place_ = Place::list;
                return unit.is(Mark::item_end) || unit.is('`') || unit.is_space() ? Step::more : Step::failed;
        }
        return Step::failed;
    }

private:
    enum class Place : uint8_t { list, type, name, fence, arguments, after } place_ = Place::list;
    int fence_ = 0;
};

}  // namespace

std::unique_ptr<CallReader> make_name_json_call_reader() {
    return std::make_unique<NameJsonCallReader>();
}
std::unique_ptr<CallReader> make_gemma_call_reader() {
    return std::make_unique<GemmaCallReader>();
}
std::unique_ptr<CallReader> make_deepseek_call_reader() {
    return std::make_unique<DeepSeekCallReader>();
}
std::unique_ptr<CallReader> make_arguments_reader(std::string name) {
    return std::make_unique<ArgumentsReader>(std::move(name));
}

}  // namespace hearth::chat
