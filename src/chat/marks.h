// The alphabet of a reply: bytes of text, and marks. A mark is a text that means something to the format of a family;
// in most vocabularies it is one special token, in some it is spelled out.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace hearth::chat {

enum class Mark : uint8_t {
    think_open,
    think_close,
    call_open,
    call_open_too,  // another way that models of the family begin a call
    call_close,
    noise_open,  // without meaning, not shown (Granite's <response>)
    noise_close,
    // Calls in XML (Qwen 3.5)
    function,
    function_end,
    parameter,
    parameter_end,
    parameter_end_line,  // with the line break in front, which belongs to the mark
    // Calls of GLM
    key,
    key_end,
    value,
    value_end,
    // Gemma's strings
    quote,
    // Mistral's calls
    call_id,
    arguments,
    // DeepSeek's lists of calls
    item,
    item_name,
    item_end,
    // Harmony
    start,
    channel,
    message,
    constrain,
    end,
    count,
};
inline constexpr int kMarks = int(Mark::count);

class MarkSet {
public:
    constexpr MarkSet() = default;
    constexpr MarkSet(std::initializer_list<Mark> marks) {
        for (const Mark mark : marks) bits_ |= uint64_t{1} << int(mark);
    }
    constexpr bool contains(Mark mark) const { return bits_ >> int(mark) & 1; }
    constexpr MarkSet operator&(MarkSet other) const { return MarkSet(bits_ & other.bits_); }
    constexpr MarkSet operator|(MarkSet other) const { return MarkSet(bits_ | other.bits_); }

private:
    constexpr explicit MarkSet(uint64_t bits) : bits_(bits) {}
    uint64_t bits_ = 0;
};

class Unit {
public:
    constexpr Unit(char byte) : code_(uint8_t(byte)) {}
    constexpr Unit(Mark mark) : code_(uint16_t(256 + int(mark))) {}
    constexpr bool is_mark() const { return code_ >= 256; }
    constexpr bool is(Mark mark) const { return code_ == 256 + int(mark); }
    constexpr bool is(char byte) const { return code_ == uint8_t(byte); }
    constexpr Mark mark() const { return Mark(code_ - 256); }  // if is_mark()
    constexpr char byte() const { return char(code_); }        // otherwise
    // Nothing may change in front of these: text would be cut within a character.
    constexpr bool is_amid_character() const { return code_ >= 0x80 && code_ < 0xC0; }
    constexpr bool is_space() const { return code_ == ' ' || (code_ >= '\t' && code_ <= '\r'); }

private:
    uint16_t code_;
};

// What a reader says to a unit.
enum class Step : uint8_t {
    more,
    done,         // complete with this unit
    done_before,  // complete; the unit belongs to what follows
    failed,       // the unit makes no sense here; it was not taken
};

}  // namespace hearth::chat
