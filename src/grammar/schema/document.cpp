#include "grammar/schema/document.h"

#include <algorithm>
#include <array>
#include <optional>

namespace hearth::grammar {

namespace {

constexpr size_t kMostAddress = 4096;  // bytes of an $id, with what it stands on, or a $ref

constexpr std::string_view kOne[] = {"additionalItems",
                                     "additionalProperties",
                                     "contains",
                                     "contentSchema",
                                     "else",
                                     "if",
                                     "items",
                                     "not",
                                     "propertyNames",
                                     "then",
                                     "unevaluatedItems",
                                     "unevaluatedProperties"};
constexpr std::string_view kLists[] = {"allOf", "anyOf", "oneOf", "prefixItems", "items"};
constexpr std::string_view kMaps[] = {"$defs",      "definitions", "dependentSchemas", "patternProperties",
                                      "properties", "dependencies"};

bool has_scheme(std::string_view uri) {
    const size_t colon = uri.find(':');
    return colon != uri.npos && colon > 0 && std::ranges::all_of(uri.substr(0, colon), [](char c) {
               return std::isalnum(uint8_t(c)) || c == '+' || c == '.' || c == '-';
           });
}

std::string without_fragment(std::string_view uri) {
    return std::string(uri.substr(0, uri.find('#')));
}

// "a/b/../c" is "a/c".
std::string without_steps_back(std::string_view path) {
    std::vector<std::string_view> kept;
    for (size_t begin = 0, end = 0; end < path.size() || kept.empty(); begin = end + 1) {
        end = std::min(path.find('/', begin), path.size());
        const std::string_view part = path.substr(begin, end - begin);
        if (part != ".." || begin == 0 || end == path.size())
            kept.push_back(part);
        else if (kept.size() > 1)
            kept.pop_back();
        else
            kept[0] = {};
    }
    return fmt::format("{}", fmt::join(kept, "/"));
}

// RFC 3986 as far as identifiers of schemas need it.
std::string resolve(const std::string& base, std::string_view reference) {
    if (has_scheme(reference)) return std::string(reference);
    if (reference.empty() || reference[0] == '#') return without_fragment(base) + std::string(reference);
    const size_t scheme = base.find("://");
    const size_t path = scheme == base.npos ? (has_scheme(base) ? base.find(':') + 1 : 0)
                                            : std::min(base.find('/', scheme + 3), base.size());
    if (reference[0] == '/') return base.substr(0, path) + std::string(reference);
    std::string joined = base.substr(path);
    joined = joined.substr(0, joined.rfind('/') == joined.npos ? 0 : joined.rfind('/') + 1) + std::string(reference);
    joined = without_steps_back(joined);
    return base.substr(0, path) + (path && (joined.empty() || joined[0] != '/') ? "/" : "") + joined;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size() || !std::isxdigit(uint8_t(text[i + 1])) || !std::isxdigit(uint8_t(text[i + 2])))
            return std::nullopt;
        out += char(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
    }
    return out;
}

const Json* at_pointer(const Json& root, std::string_view pointer) {
    const Json* now = &root;
    while (!pointer.empty()) {
        const size_t end = std::min(pointer.find('/', 1), pointer.size());
        std::string key;
        for (size_t i = 1; i < end; ++i) {
            if (pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1'))
                key += pointer[++i] == '0' ? '~' : '/';
            else
                key += pointer[i];
        }
        pointer.remove_prefix(end);
        if (now->is_array()) {
            const bool is_index =
                !key.empty() && key.size() < 8 && std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
            const size_t index = is_index ? std::stoul(key) : now->items().size();
            now = index < now->items().size() ? &now->items()[index] : nullptr;
        } else {
            now = now->find(key);
        }
        if (!now) return nullptr;
    }
    return now;
}

bool find_path(const Json& from, const Json& place, std::string& path) {
    if (&from == &place) return true;
    const size_t length = path.size();
    if (from.is_object())
        for (const auto& [key, value] : from.members()) {
            path += '/';
            for (const char c : key)
                path += c == '~' ? std::string("~0") : c == '/' ? std::string("~1") : std::string(1, c);
            if (find_path(value, place, path)) return true;
            path.resize(length);
        }
    if (from.is_array())
        for (size_t i = 0; i < from.items().size(); ++i) {
            path += fmt::format("/{}", i);
            if (find_path(from.items()[i], place, path)) return true;
            path.resize(length);
        }
    return false;
}

}  // namespace

Result<SchemaDocument> SchemaDocument::make(const Json& root) {
    SchemaDocument made;
    made.root_ = &root;
    if (const Json* version = root.find("$schema")) {
        // Another dialect might mean something else by the same words.
        if (!version->is_string() || version->as_string().find("://json-schema.org/") == std::string::npos)
            return made.refuse(root, "$schema", "is no published version of JSON Schema",
                               "use https://json-schema.org/draft/2020-12/schema");
    }
    if (const Json* id = root.find("$id"); id && id->is_string()) made.root_base_ = without_fragment(id->as_string());
    const auto own = made.by_uri_.emplace(made.root_base_, &root).first;
    auto indexed = made.index(root, &own->first);
    if (!indexed) return std::unexpected(indexed.error());
    return made;
}

Result<> SchemaDocument::index(const Json& schema, const std::string* base) {
    if (!schema.is_object()) return {};
    if (const Json* id = schema.find("$id"); id && id->is_string() && !id->as_string().starts_with("#")) {
        if (base->size() + id->as_string().size() > kMostAddress)
            return refuse(schema, "$id", fmt::format("is longer than {} bytes", kMostAddress));
        base = &by_uri_.emplace(without_fragment(resolve(*base, id->as_string())), &schema).first->first;
    }
    if (*base != root_base_) bases_[&schema] = base;
    for (const char* name : {"$anchor", "$dynamicAnchor"})
        if (const Json* anchor = schema.find(name); anchor && anchor->is_string())
            by_anchor_.emplace(*base + "#" + anchor->as_string(), &schema);
    for (const std::string_view key : kOne)
        if (const Json* inner = schema.find(key)) TRY(index(*inner, base));
    for (const std::string_view key : kLists)
        if (const Json* inner = schema.find(key); inner && inner->is_array())
            for (const Json& item : inner->items()) TRY(index(item, base));
    for (const std::string_view key : kMaps)
        if (const Json* inner = schema.find(key); inner && inner->is_object())
            for (const auto& [name, value] : inner->members()) TRY(index(value, base));
    return {};
}

Result<const Json*> SchemaDocument::follow(const Json& schema, const std::string& reference) const {
    if (const auto known = followed_.find(&schema); known != followed_.end()) return known->second;
    if (reference.size() > kMostAddress)
        return refuse(schema, "$ref", fmt::format("is longer than {} bytes", kMostAddress));
    const auto known = bases_.find(&schema);
    const std::string uri = resolve(known == bases_.end() ? root_base_ : *known->second, reference);
    const size_t hash = uri.find('#');
    const auto document = by_uri_.find(without_fragment(uri));
    if (document == by_uri_.end())
        return refuse(schema, "$ref", fmt::format("leads to {}, which is not in this schema", reference),
                      "copy it under $defs");
    if (hash == uri.npos || hash + 1 == uri.size()) return followed_[&schema] = document->second;
    const auto fragment = percent_decoded(std::string_view(uri).substr(hash + 1));
    const Json* found = nullptr;
    if (fragment && fragment->starts_with("/")) {
        found = at_pointer(*document->second, *fragment);
    } else if (fragment) {
        const auto anchor = by_anchor_.find(document->first + "#" + *fragment);
        if (anchor != by_anchor_.end()) found = anchor->second;
    }
    if (!found) return refuse(schema, "$ref", fmt::format("leads to {}, where there is nothing", reference));
    return followed_[&schema] = found;
}

std::string SchemaDocument::pointer(const Json& place) const {
    std::string path = "#";
    if (!find_path(*root_, place, path)) return "(a part of the schema)";
    return path;
}

std::unexpected<Error> SchemaDocument::refuse(const Json& schema, std::string_view keyword, std::string what,
                                              std::string try_this) const {
    std::string place = pointer(schema);
    if (!keyword.empty()) place += "/" + std::string(keyword);
    return fail(ErrorKind::unsupported, fmt::format("the schema at {} {}", place, what), std::move(try_this));
}

}  // namespace hearth::grammar
