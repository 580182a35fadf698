// What a checkpoint says about itself: typed key-value pairs in file order. Values are found by key and read leniently
// (an integer of any width answers `integer`); texts and number arrays are views into memory that the Metadata owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace hearth {

// Values are the type ids of GGUF files.
enum class MetadataType : uint32_t {
    u8 = 0,
    i8 = 1,
    u16 = 2,
    i16 = 3,
    u32 = 4,
    i32 = 5,
    f32 = 6,
    boolean = 7,
    string = 8,
    array = 9,
    u64 = 10,
    i64 = 11,
    f64 = 12,
};

std::string_view name_of(MetadataType type);            // "u8", ..., "bool", "string", "array"
std::optional<size_t> scalar_bytes(MetadataType type);  // nothing for strings, arrays and unknown ids

// One value. A copy shares the texts and arrays; those read from a file live as long as its Metadata (or a copy of
// that).
class MetadataValue {
public:
    // Own values, for writers and tests. T decides the type: bool, int8_t ... uint64_t, float, double.
    template <class T>
    static MetadataValue of(T value) {
        MetadataValue out;
        out.type_ = type_of<T>();
        std::memcpy(&out.scalar_, &value, sizeof value);
        return out;
    }
    template <class T>
    static MetadataValue of(std::span<const T> values) {
        static_assert(!std::is_same_v<T, bool> || sizeof(bool) == 1);
        MetadataValue out = view(type_of<T>(), {}, values.size());
        auto owner = std::make_shared<std::vector<std::byte>>(values.size_bytes());
        if (!values.empty()) std::memcpy(owner->data(), values.data(), values.size_bytes());
        out.bytes_ = *owner;
        out.owner_ = owner;
        return out;
    }
    template <class T>
    static MetadataValue of(const std::vector<T>& values) {
        return of(std::span<const T>(values));
    }
    static MetadataValue text_of(std::string text);
    static MetadataValue texts_of(std::vector<std::string> texts);

    // Views into memory that somebody else keeps alive.
    static MetadataValue view(std::string_view text);
    static MetadataValue view(std::vector<std::string_view> texts);
    static MetadataValue view(MetadataType element_type, std::span<const std::byte> packed, uint64_t count);

    MetadataType type() const { return type_; }
    MetadataType element_type() const { return element_type_; }  // of an array; the type itself otherwise
    uint64_t count() const { return count_; }                    // elements of an array; 1 otherwise

    std::optional<int64_t> integer() const;  // any integer width, not bool; nothing above int64
    std::optional<double> number() const;    // any integer or float
    std::optional<bool> boolean() const;
    std::optional<std::string_view> text() const;
    std::optional<std::span<const std::string_view>> texts() const;
    std::optional<std::vector<int64_t>> integers() const;  // array of integers or bools; nothing if one is above int64
    std::optional<std::vector<float>> numbers() const;     // array of integers or floats
    std::optional<std::span<const std::byte>> bytes() const;  // array of u8 or i8, as it lies in the file
    // The packed little-endian content as a writer needs it: of a scalar, or of an array of numbers or bools.
    std::span<const std::byte> packed() const;

    std::string type_text() const;                            // "u32", "string", "string[248320]"
    std::string printable(size_t max_characters = 60) const;  // one line, cut with "..."
    Json to_json(uint64_t max_items = UINT64_MAX) const;      // longer arrays: the first max_items, then "... N more"

private:
    template <class T>
    static constexpr MetadataType type_of() {
        using enum MetadataType;
        if constexpr (std::is_same_v<T, bool>)
            return boolean;
        else if constexpr (std::is_same_v<T, float>)
            return f32;
        else if constexpr (std::is_same_v<T, double>)
            return f64;
        else {
            static_assert(std::is_integral_v<T>, "a metadata value is a bool, an integer or a float");
            constexpr bool is_signed = std::is_signed_v<T>;
            return sizeof(T) == 1   ? (is_signed ? i8 : u8)
                   : sizeof(T) == 2 ? (is_signed ? i16 : u16)
                   : sizeof(T) == 4 ? (is_signed ? i32 : u32)
                                    : (is_signed ? i64 : u64);
        }
    }

    MetadataType type_ = MetadataType::u8, element_type_ = MetadataType::u8;
    uint64_t count_ = 1;
    uint64_t scalar_ = 0;               // the value's bytes, first ones first
    std::span<const std::byte> bytes_;  // text, or packed numbers of an array
    std::shared_ptr<const void> texts_owner_, owner_;
    std::span<const std::string_view> texts_;
};

class Metadata {
public:
    struct Entry {
        std::string_view key;
        MetadataValue value;
    };

    const MetadataValue* find(std::string_view key) const;
    bool has(std::string_view key) const { return find(key) != nullptr; }
    // Nothing when the key is absent or of another kind.
    std::optional<int64_t> integer(std::string_view key) const;
    std::optional<double> number(std::string_view key) const;
    std::optional<bool> boolean(std::string_view key) const;
    std::optional<std::string_view> text(std::string_view key) const;
    std::optional<std::span<const std::string_view>> texts(std::string_view key) const;
    std::optional<std::vector<int64_t>> integers(std::string_view key) const;
    std::optional<std::vector<float>> numbers(std::string_view key) const;
    std::optional<std::span<const std::byte>> bytes(std::string_view key) const;

    std::span<const Entry> entries() const { return entries_; }  // in file order
    Json to_json(uint64_t max_items = UINT64_MAX) const;         // { key: value, ... } in file order

    // Adds at the end, or replaces the value of a known key. Views inside `value` must live as long as this object.
    void set(std::string_view key, MetadataValue value);
    // For readers: entries with unique keys, all views into memory kept alive by `storage`.
    static Metadata adopt(std::vector<Entry> entries, std::shared_ptr<const void> storage);

private:
    size_t place(std::string_view key) const;  // first position in by_key_ whose key is not less
    std::vector<Entry> entries_;
    std::vector<uint32_t> by_key_;  // entry numbers sorted by key: no hash that a hostile file could crowd
    std::vector<std::shared_ptr<const void>> storage_;
};

}  // namespace hearth
