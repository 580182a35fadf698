#include "files/metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text_format.h"

namespace hearth {

namespace {

bool is_integer_type(MetadataType type) {
    using enum MetadataType;
    return type <= i32 || type == u64 || type == i64;
}
bool is_float_type(MetadataType type) {
    return type == MetadataType::f32 || type == MetadataType::f64;
}

template <class T>
T load(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

std::optional<int64_t> integer_at(MetadataType type, const std::byte* at) {
    switch (type) {
        case MetadataType::u8:
            return load<uint8_t>(at);
        case MetadataType::i8:
            return load<int8_t>(at);
        case MetadataType::u16:
            return load<uint16_t>(at);
        case MetadataType::i16:
            return load<int16_t>(at);
        case MetadataType::u32:
            return load<uint32_t>(at);
        case MetadataType::i32:
            return load<int32_t>(at);
        case MetadataType::i64:
            return load<int64_t>(at);
        case MetadataType::u64: {
            const uint64_t value = load<uint64_t>(at);
            if (value > uint64_t(INT64_MAX)) return std::nullopt;
            return int64_t(value);
        }
        default:
            return std::nullopt;
    }
}

std::optional<double> number_at(MetadataType type, const std::byte* at) {
    if (type == MetadataType::f32) return load<float>(at);
    if (type == MetadataType::f64) return load<double>(at);
    if (type == MetadataType::u64) return double(load<uint64_t>(at));
    if (const auto value = integer_at(type, at)) return double(*value);
    return std::nullopt;
}

Json json_at(MetadataType type, const std::byte* at) {
    if (type == MetadataType::boolean) return load<uint8_t>(at) != 0;
    // Through float's own shortest text: 1e-06, not 9.999999974752427e-07.
    if (type == MetadataType::f32) {
        const float value = load<float>(at);
        return std::isfinite(value) ? Json(Json::Number{fmt::format("{}", value)}) : Json();
    }
    if (type == MetadataType::f64) return load<double>(at);
    if (type == MetadataType::u64) return load<uint64_t>(at);
    return *integer_at(type, at);
}

std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string_view name_of(MetadataType type) {
    static constexpr std::string_view kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                  "bool", "string", "array", "u64", "i64", "f64"};
    return size_t(type) < std::size(kNames) ? kNames[size_t(type)] : "unknown";
}

std::optional<size_t> scalar_bytes(MetadataType type) {
    using enum MetadataType;
    switch (type) {
        case u8:
        case i8:
        case boolean:
            return 1;
        case u16:
        case i16:
            return 2;
        case u32:
        case i32:
        case f32:
            return 4;
        case u64:
        case i64:
        case f64:
            return 8;
        default:
            return std::nullopt;
    }
}

MetadataValue MetadataValue::view(std::string_view text) {
    MetadataValue out;
    out.type_ = MetadataType::string;
    out.bytes_ = std::as_bytes(std::span(text));
    return out;
}

MetadataValue MetadataValue::view(std::vector<std::string_view> texts) {
    MetadataValue out;
    out.type_ = MetadataType::array;
    out.element_type_ = MetadataType::string;
    out.count_ = texts.size();
    auto owner = std::make_shared<std::vector<std::string_view>>(std::move(texts));
    out.texts_ = *owner;
    out.texts_owner_ = std::move(owner);
    return out;
}

MetadataValue MetadataValue::view(MetadataType element_type, std::span<const std::byte> packed, uint64_t count) {
    MetadataValue out;
    out.type_ = MetadataType::array;
    out.element_type_ = element_type;
    out.count_ = count;
    out.bytes_ = packed;
    return out;
}

MetadataValue MetadataValue::text_of(std::string text) {
    auto owner = std::make_shared<const std::string>(std::move(text));
    MetadataValue out = view(std::string_view(*owner));
    out.owner_ = std::move(owner);
    return out;
}

MetadataValue MetadataValue::texts_of(std::vector<std::string> texts) {
    auto owner = std::make_shared<const std::vector<std::string>>(std::move(texts));
    MetadataValue out = view(std::vector<std::string_view>(owner->begin(), owner->end()));
    out.owner_ = std::move(owner);
    return out;
}

std::span<const std::byte> MetadataValue::packed() const {
    if (type_ == MetadataType::array || type_ == MetadataType::string) return bytes_;
    return std::as_bytes(std::span(&scalar_, 1)).first(*scalar_bytes(type_));
}

std::optional<int64_t> MetadataValue::integer() const {
    return is_integer_type(type_) ? integer_at(type_, packed().data()) : std::nullopt;
}

std::optional<double> MetadataValue::number() const {
    if (!is_integer_type(type_) && !is_float_type(type_)) return std::nullopt;
    return number_at(type_, packed().data());
}

std::optional<bool> MetadataValue::boolean() const {
    if (type_ != MetadataType::boolean) return std::nullopt;
    return (scalar_ & 0xFF) != 0;
}

std::optional<std::string_view> MetadataValue::text() const {
    if (type_ != MetadataType::string) return std::nullopt;
    return as_text(bytes_);
}

std::optional<std::span<const std::string_view>> MetadataValue::texts() const {
    if (type_ != MetadataType::array || element_type_ != MetadataType::string) return std::nullopt;
    return texts_;
}

std::optional<std::vector<int64_t>> MetadataValue::integers() const {
    const bool bools = element_type_ == MetadataType::boolean;
    if (type_ != MetadataType::array || !(bools || is_integer_type(element_type_))) return std::nullopt;
    const size_t size = *scalar_bytes(element_type_);
    std::vector<int64_t> out(count_);
    for (size_t i = 0; i < out.size(); ++i) {
        const std::byte* at = bytes_.data() + i * size;
        const auto value = bools ? std::optional<int64_t>(*at != std::byte{0}) : integer_at(element_type_, at);
        if (!value) return std::nullopt;
        out[i] = *value;
    }
    return out;
}

std::optional<std::vector<float>> MetadataValue::numbers() const {
    if (type_ != MetadataType::array || !(is_integer_type(element_type_) || is_float_type(element_type_)))
        return std::nullopt;
    const size_t size = *scalar_bytes(element_type_);
    std::vector<float> out(count_);
    if (element_type_ == MetadataType::f32) {
        if (!out.empty()) std::memcpy(out.data(), bytes_.data(), bytes_.size());
        return out;
    }
    for (size_t i = 0; i < out.size(); ++i) out[i] = float(*number_at(element_type_, bytes_.data() + i * size));
    return out;
}

std::optional<std::span<const std::byte>> MetadataValue::bytes() const {
    const bool is_bytes = element_type_ == MetadataType::u8 || element_type_ == MetadataType::i8;
    if (type_ != MetadataType::array || !is_bytes) return std::nullopt;
    return bytes_;
}

std::string MetadataValue::type_text() const {
    if (type_ != MetadataType::array) return std::string(name_of(type_));
    return fmt::format("{}[{}]", name_of(element_type_), count_);
}

std::string MetadataValue::printable(size_t max_characters) const {
    if (max_characters < 4) max_characters = 4;
    // Every character of the result comes from at least one byte of a text or one element: more input than this never
    // shows.
    std::string line;
    if (type_ == MetadataType::string) {
        line = Json(as_text(bytes_.first(std::min(bytes_.size(), 4 * max_characters + 4)))).dump();
    } else {
        line = to_json(max_characters).dump();
    }
    size_t end = 0, characters = 0;
    while (end < line.size() && characters < max_characters) {
        ++end, ++characters;
        while (end < line.size() && (uint8_t(line[end]) & 0xC0) == 0x80) ++end;
    }
    if (end == line.size()) return line;
    for (int dots = 0; dots < 3; ++dots) do
            --end;
        while ((uint8_t(line[end]) & 0xC0) == 0x80);
    return line.substr(0, end) + "...";
}

Json MetadataValue::to_json(uint64_t max_items) const {
    if (type_ == MetadataType::string) return as_text(bytes_);
    if (type_ != MetadataType::array) return json_at(type_, packed().data());
    Json::Array items;
    const size_t shown = size_t(std::min(count_, max_items));
    items.reserve(shown + 1);
    const size_t size = scalar_bytes(element_type_).value_or(0);
    for (size_t i = 0; i < shown; ++i) {
        if (element_type_ == MetadataType::string)
            items.emplace_back(texts_[i]);
        else
            items.push_back(json_at(element_type_, bytes_.data() + i * size));
    }
    if (shown < count_) items.emplace_back(fmt::format("... {} more", count_ - shown));
    return items;
}

size_t Metadata::place(std::string_view key) const {
    const auto less = [&](uint32_t entry, std::string_view wanted) { return entries_[entry].key < wanted; };
    return size_t(std::lower_bound(by_key_.begin(), by_key_.end(), key, less) - by_key_.begin());
}

const MetadataValue* Metadata::find(std::string_view key) const {
    const size_t at = place(key);
    if (at == by_key_.size() || entries_[by_key_[at]].key != key) return nullptr;
    return &entries_[by_key_[at]].value;
}

std::optional<int64_t> Metadata::integer(std::string_view key) const {
    const MetadataValue* value = find(key);
    return value ? value->integer() : std::nullopt;
}
std::optional<double> Metadata::number(std::string_view key) const {
    const MetadataValue* value = find(key);
    return value ? value->number() : std::nullopt;
}
std::optional<bool> Metadata::boolean(std::string_view key) const {
    const MetadataValue* value = find(key);
    return value ? value->boolean() : std::nullopt;
}
std::optional<std::string_view> Metadata::text(std::string_view key) const {
    const MetadataValue* value = find(key);
    return value ? value->text() : std::nullopt;
}
std::optional<std::span<const std::string_view>> Metadata::texts(std::string_view key) const {
    const MetadataValue* value = find(key);
    return value ? value->texts() : std::nullopt;
}
std::optional<std::vector<int64_t>> Metadata::integers(std::string_view key) const {
    const MetadataValue* value = find(key);
    return value ? value->integers() : std::nullopt;
}
std::optional<std::vector<float>> Metadata::numbers(std::string_view key) const {
    const MetadataValue* value = find(key);
    return value ? value->numbers() : std::nullopt;
}
std::optional<std::span<const std::byte>> Metadata::bytes(std::string_view key) const {
    const MetadataValue* value = find(key);
    return value ? value->bytes() : std::nullopt;
}

Json Metadata::to_json(uint64_t max_items) const {
    Json::Object members;
    members.reserve(entries_.size());
    for (const Entry& entry : entries_) members.emplace_back(entry.key, entry.value.to_json(max_items));
    return members;
}

void Metadata::set(std::string_view key, MetadataValue value) {
    const size_t at = place(key);
    if (at < by_key_.size() && entries_[by_key_[at]].key == key) {
        entries_[by_key_[at]].value = std::move(value);
        return;
    }
    auto owned = std::make_shared<const std::string>(key);
    by_key_.insert(by_key_.begin() + ptrdiff_t(at), uint32_t(entries_.size()));
    entries_.push_back({std::string_view(*owned), std::move(value)});
    storage_.push_back(std::move(owned));
}

Metadata Metadata::adopt(std::vector<Entry> entries, std::shared_ptr<const void> storage) {
    Metadata out;
    out.entries_ = std::move(entries);
    out.storage_.push_back(std::move(storage));
    out.by_key_.resize(out.entries_.size());
    std::iota(out.by_key_.begin(), out.by_key_.end(), 0u);
    std::ranges::sort(out.by_key_, {}, [&](uint32_t entry) { return out.entries_[entry].key; });
    return out;
}

}  // namespace hearth
