#include "text/special_ids.h"

#include <algorithm>
#include <set>
#include <span>

namespace hearth {

namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kEot[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>",         "<|endoftext|>",     "<|end_of_text|>",
    "<EOT>",      "_<EOT>",     "[EOT]",   "<｜end▁of▁sentence｜>", "<end_of_utterance>"};
constexpr std::string_view kEom[] = {"<|eom_id|>"};
constexpr std::string_view kFimPre[] = {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>",    "<｜fim▁begin｜>",
                                        "<PRE>",          "▁<PRE>",       "<|code_prefix|>", "<|prefix|>"};
constexpr std::string_view kFimSuf[] = {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>",    "<｜fim▁hole｜>",
                                        "<SUF>",          "▁<SUF>",       "<|code_suffix|>", "<|suffix|>"};
constexpr std::string_view kFimMid[] = {"<|fim_middle|>", "<fim-middle>", "<fim_middle>",    "<｜fim▁end｜>",
                                        "<MID>",          "▁<MID>",       "<|code_middle|>", "<|middle|>"};
constexpr std::string_view kFimPad[] = {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"};
constexpr std::string_view kFimRep[] = {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"};
constexpr std::string_view kFimSep[] = {"<|file_sep|>"};
constexpr std::string_view kEnds[] = {"<|eot_id|>",
                                      "<|im_end|>",
                                      "<|end|>",
                                      "<|return|>",
                                      "<|call|>",
                                      "<|flush|>",
                                      "<|calls|>",
                                      "<end_of_turn>",
                                      "<|endoftext|>",
                                      "<|eom_id|>",
                                      "<EOT>",
                                      "_<EOT>",
                                      "[EOT]",
                                      "[EOS]",
                                      "<|end_of_text|>",
                                      "<end_of_utterance>",
                                      "<eos>",
                                      "<turn|>",
                                      "<|tool_response>",
                                      "<｜end▁of▁sentence｜>",
                                      "[e~["};
// Harmony's frame: always parsed, always shown.
constexpr std::string_view kHarmonyFrame[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

}  // namespace

std::vector<int32_t> assign_special_ids(const VocabularySource& source, TokenizerCompat compat, TokenTable& tokens,
                                        SpecialIds& ids) {
    const auto in_range = [&](int64_t id) { return id >= 0 && id < int64_t(tokens.size()); };
    const auto assign = [&](int32_t& id, const std::optional<int64_t>& said) {
        if (!in_range(id)) id = -1;
        if (said && in_range(*said)) id = int32_t(*said);
    };
    assign(ids.bos, source.bos);
    assign(ids.eos, source.eos);
    assign(ids.eot, source.eot);
    assign(ids.eom, source.eom);
    assign(ids.unknown, source.unknown);
    assign(ids.separator, source.separator);
    assign(ids.padding, source.padding);
    assign(ids.mask, source.mask);
    assign(ids.fim_pre, source.fim_pre);
    assign(ids.fim_suf, source.fim_suf);
    assign(ids.fim_mid, source.fim_mid);
    assign(ids.fim_pad, source.fim_pad);
    assign(ids.fim_rep, source.fim_rep);
    assign(ids.fim_sep, source.fim_sep);

    const auto find_by_name = [&](int32_t& id, Names names) {
        for (const std::string_view name : names) {
            if (id >= 0) return;
            const uint32_t found = tokens.find_text(name);
            if (found == TokenTable::kNone) continue;
            id = int32_t(found);
            tokens.set_type(found, TokenType::control);
        }
    };
    find_by_name(ids.eot, kEot);
    find_by_name(ids.eom, kEom);
    find_by_name(ids.fim_pre, kFimPre);
    find_by_name(ids.fim_suf, kFimSuf);
    find_by_name(ids.fim_mid, kFimMid);
    find_by_name(ids.fim_pad, kFimPad);
    find_by_name(ids.fim_rep, kFimRep);
    find_by_name(ids.fim_sep, kFimSep);

    std::set<int32_t> ends{ids.fim_pad, ids.fim_rep, ids.fim_sep, ids.eos, ids.eot, ids.eom};
    for (const std::string_view name : kEnds) {
        const uint32_t found = tokens.find_text(name);
        if (found == TokenTable::kNone) continue;
        ends.insert(int32_t(found));
        tokens.set_type(found, TokenType::control);
    }
    for (const int64_t id : source.more_eos)
        if (in_range(id)) ends.insert(int32_t(id));
    ends.erase(-1);

    // "</s>" is an ordinary piece of text in many vocabularies (a strike-through tag in Gemma 3): it ends a generation
    // only where the file says so, or at the place where SentencePiece keeps its end of sentence (Phi-3 calls that one
    // user-defined). llama.cpp goes by its name.
    constexpr uint32_t kSentencePieceEnd = 2;
    const uint32_t slash_s = tokens.find_text("</s>");
    if (slash_s != TokenTable::kNone) {
        const bool by_name = compat == TokenizerCompat::llama_cpp;
        const bool gemma4 = tokens.find_text("<|tool_response>") != TokenTable::kNone;
        if (by_name && gemma4) {
            tokens.set_type(slash_s, TokenType::normal);
            ends.erase(int32_t(slash_s));
        } else if (by_name || int32_t(slash_s) == ids.eos ||
                   (source.model == "llama" && slash_s == kSentencePieceEnd) ||
                   tokens.type(slash_s) == TokenType::control) {
            tokens.set_type(slash_s, TokenType::control);
            ends.insert(int32_t(slash_s));
        }
    }

    for (const std::string_view name : kHarmonyFrame) {
        const uint32_t found = tokens.find_text(name);
        if (found != TokenTable::kNone) tokens.set_type(found, TokenType::user_defined);
    }
    // In harmony and Solar vocabularies <|end|> closes a message, not the answer.
    const auto has = [&](std::string_view name) { return tokens.find_text(name) != TokenTable::kNone; };
    const uint32_t message_end = tokens.find_text("<|end|>");
    const bool has_call = has("<|call|>") || has("<|calls|>");
    if (message_end != TokenTable::kNone && has_call && (has("<|return|>") || has("<|flush|>"))) {
        ends.erase(int32_t(message_end));
        tokens.set_type(message_end, TokenType::user_defined);
    }
    return {ends.begin(), ends.end()};
}

}  // namespace hearth
