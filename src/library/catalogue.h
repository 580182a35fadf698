// The models hearth knows by name, with their real shapes. A name is what people type: "qwen3.5:0.8b", with or without
// the type of its weights behind it ("qwen3.5:0.8b-q8_0"). The shapes serve benchmarks and plans without any file on
// disk.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth {

struct Shape;

enum class Purpose {
    text,       // writes
    embedding,  // turns a text into a vector
    reranking,  // scores a document for a query
    drafting,   // no model of its own: guesses ahead for another one
};

struct CatalogueEntry {
    std::string name;                  // "qwen3.5:0.8b"
    std::vector<std::string> aliases;  // "qwen3.5-0.8b", and other spellings in use
    std::string architecture;          // general.architecture
    int64_t parameters = 0;            // weights of the whole model
    int64_t layers = 0, context = 0;
    Purpose purpose = Purpose::text;
    bool can_draft = false;              // has a layer that predicts one token further
    std::string drafts_for;              // purpose drafting: the name of the other model
    std::shared_ptr<const Shape> shape;  // library/shapes/shape.h
};

// Sorted by family, then by size. Never changes.
std::span<const CatalogueEntry> catalogue();

struct CatalogueMatch {
    const CatalogueEntry* entry = nullptr;
    std::string type;  // the mix behind the name, lower case; empty when none was given
};

// Upper case, and ':' or '_' in place of '-' (or none of them), do not matter. An unknown name fails with the nearest
// ones.
Result<CatalogueMatch> find_in_catalogue(std::string_view name);

}  // namespace hearth
