#include "server/api/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hearth::server {

// One object that is being read.
struct Fields::Node {
    Json object;
    std::string path;
    std::vector<std::string> asked;
};

// What all objects of a request share.
struct Fields::Report {
    std::optional<ApiError> error;
    std::vector<std::shared_ptr<Node>> nodes;
    std::vector<std::string> unknown;
};

Fields::Fields(Json object, std::string path) : report_(std::make_shared<Report>()) {
    node_ = std::make_shared<Node>(Node{std::move(object), std::move(path), {}});
    report_->nodes.push_back(node_);
}

Fields::Fields(std::shared_ptr<Node> node, std::shared_ptr<Report> report)
    : node_(std::move(node)), report_(std::move(report)) {}

ApiResult<Fields> Fields::parse(const std::string& body, int max_depth) {
    if (body.empty()) return std::unexpected(ApiError{400, "the request has no body; send a JSON object"});
    auto json = Json::parse(body, max_depth);
    if (!json) return std::unexpected(ApiError{400, "the body is " + json.error().line(), "invalid_json"});
    if (!json->is_object())
        return std::unexpected(ApiError{400, "the body is no JSON object; send {...}", "invalid_json"});
    return Fields(std::move(*json));
}

std::string Fields::full_name(std::string_view name) const {
    return node_->path.empty() ? std::string(name) : fmt::format("{}.{}", node_->path, name);
}

void Fields::refuse(std::string_view name, std::string why, std::string code) {
    if (report_->error) return;
    const std::string full = full_name(name);
    report_->error = ApiError{400, fmt::format("{} {}", full, why), std::move(code), full};
}

const Json* Fields::find(std::string_view name) {
    node_->asked.emplace_back(name);
    const Json* value = node_->object.find(name);
    return value && !value->is_null() ? value : nullptr;
}

const Json* Fields::any(std::string_view name) {
    return find(name);
}

bool Fields::has(std::string_view name) const {
    const Json* value = node_->object.find(name);
    return value && !value->is_null();
}

void Fields::note_unknown(std::string full_name) {
    report_->unknown.push_back(std::move(full_name));
}

void Fields::ignore(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) node_->asked.emplace_back(name);
}

std::optional<double> Fields::number(std::string_view name, double least, double most) {
    const Json* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_number()) return refuse(name, "is no number"), std::nullopt;
    const double number = value->as_double();
    if (!(number >= least && number <= most))
        return refuse(name, std::isinf(most) ? fmt::format("is {}, it must be at least {}", value->number_text(), least)
                                             : fmt::format("is {}, it must lie between {} and {}", value->number_text(),
                                                           least, most)),
               std::nullopt;
    return number;
}

std::optional<float> Fields::real(std::string_view name, double least, double most) {
    const auto value = number(name, least, most);
    return value ? std::optional(float(*value)) : std::nullopt;
}

std::optional<int64_t> Fields::integer(std::string_view name, int64_t least, int64_t most) {
    const Json* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_integer()) return refuse(name, "is no whole number"), std::nullopt;
    const int64_t number = value->as_int();
    if (number < least || number > most)
        return refuse(name, fmt::format("is {}, it must lie between {} and {}", number, least, most)), std::nullopt;
    return number;
}

std::optional<bool> Fields::boolean(std::string_view name) {
    const Json* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_bool()) return refuse(name, "is neither true nor false"), std::nullopt;
    return value->as_bool();
}

std::optional<std::string> Fields::text(std::string_view name) {
    const Json* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_string()) return refuse(name, "is no text"), std::nullopt;
    return value->as_string();
}

std::optional<std::string> Fields::one_of(std::string_view name, std::initializer_list<std::string_view> words) {
    auto value = text(name);
    if (!value || std::ranges::find(words, *value) != words.end()) return value;
    refuse(name, fmt::format("is \"{}\", it must be one of {}", *value, fmt::join(words, ", ")));
    return std::nullopt;
}

std::vector<std::string> Fields::texts(std::string_view name, size_t most) {
    const Json* value = find(name);
    if (!value) return {};
    const auto no = [&](std::string why) {
        refuse(name, std::move(why));
        return std::vector<std::string>();
    };
    if (!value->is_string() && !value->is_array()) return no("is neither a text nor a list of texts");
    const Json::Array items = value->is_array() ? value->items() : Json::Array{*value};
    if (items.size() > most) return no(fmt::format("has {} texts, at most {} are taken", items.size(), most));
    std::vector<std::string> texts;
    for (const Json& item : items) {
        if (!item.is_string()) return no("holds something that is no text");
        if (item.as_string().empty()) return no("holds an empty text");
        texts.push_back(item.as_string());
    }
    return texts;
}

const Json* Fields::list(std::string_view name, size_t most) {
    const Json* value = find(name);
    if (!value) return nullptr;
    if (!value->is_array()) return refuse(name, "is no list"), nullptr;
    if (value->items().size() > most)
        return refuse(name, fmt::format("has {} items, at most {} are taken", value->items().size(), most)), nullptr;
    return value;
}

std::optional<Fields> Fields::object(std::string_view name) {
    const Json* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_object()) return refuse(name, "is no object"), std::nullopt;
    auto node = std::make_shared<Node>(Node{*value, full_name(name), {}});
    report_->nodes.push_back(node);
    return Fields(std::move(node), report_);
}

ApiResult<std::vector<std::string>> Fields::finish() const {
    if (report_->error) return std::unexpected(*report_->error);
    std::vector<std::string> unknown = report_->unknown;
    for (const auto& node : report_->nodes)
        for (const auto& [name, value] : node->object.members())
            if (std::ranges::find(node->asked, name) == node->asked.end())
                unknown.push_back(node->path.empty() ? name : fmt::format("{}.{}", node->path, name));
    constexpr size_t kMostNamed = 100;
    if (unknown.size() > kMostNamed) {
        const size_t more = unknown.size() - kMostNamed;
        unknown.resize(kMostNamed);
        unknown.push_back(fmt::format("({} more names)", more));
    }
    return unknown;
}

}  // namespace hearth::server
