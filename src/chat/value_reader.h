// One value as models write it - JSON, Python literals, Gemma's notation - to strict JSON, byte by byte as it arrives.
// What comes out at any moment can be completed to valid JSON (close). Harmless slips are put right: single quotes,
// True and None, raw line breaks in strings, backslashes that escape nothing, a comma before a closing bracket.
#pragma once

#include <string>
#include <vector>

#include "chat/marks.h"

namespace hearth::chat {

class ValueReader {
public:
    enum class Flavour : uint8_t {
        json,    // keys are quoted
        python,  // tuples become lists
        gemma,   // keys may be bare, strings stand between two Mark::quote, and a bare word may be a string
    };

    explicit ValueReader(Flavour flavour = Flavour::json) : flavour_(flavour) {}

    // Appends to `out` what is certain. Not to be called again after done, done_before or failed.
    Step take(Unit unit, std::string& out);
    // The shortest end that makes valid JSON of what came out so far; nothing if the value was complete.
    void close(std::string& out);
    bool has_begun() const { return place_ != Place::value || !open_.empty(); }
    // The marks that mean something now.
    MarkSet marks() const { return flavour_ == Flavour::gemma ? MarkSet{Mark::quote} : MarkSet{}; }

    static constexpr size_t kDeepest = 100;

private:
    enum class Place : uint8_t {
        value,        // a value must come
        first_value,  // or the end of the list
        first_key,    // a key or the end of the object
        key,          // a key must come, or after a comma the end
        colon,
        after,  // a comma or the end of what is open
        string,
        escape,
        hexadecimal,
        word,
        over,
    };

    Step begin_value(Unit unit, std::string& out);
    Step end_container(char bracket, std::string& out);
    Step take_in_string(Unit unit, std::string& out);
    Step take_escape(char c, std::string& out);
    void end_escape(std::string& out);
    void flush_surrogate(std::string& out);
    bool end_word(std::string& out);
    Step value_ended();
    void write_comma(std::string& out);

    Flavour flavour_;
    Place place_ = Place::value;
    std::string open_;         // brackets that close what is open, outermost first
    std::string word_;         // a bare word so far
    bool is_key_ = false;      // the string or word is a key
    bool owes_comma_ = false;  // one was read; it is written when something follows
    char quote_ = 0;           // what ends the string; 0: Mark::quote
    int digits_left_ = 0;      // of a \u or \x escape
    uint32_t code_ = 0, high_surrogate_ = 0;
};

}  // namespace hearth::chat
