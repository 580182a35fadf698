// A grammar over a vocabulary, at work: which tokens may come next, and what those that came have led to.
//
//   auto constraint = Constraint::make(grammar, vocabulary);      shared by all who use the same pair
//   Matcher matcher(*constraint);                                 one per sequence
//   matcher.mask(bits); ... matcher.accept(token); ...
//
// A matcher belongs to one thread at a time; matchers of one constraint may work in several threads at once (they take
// turns: what one has found out serves all).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/vocabulary.h"

namespace hearth::grammar {

class Machine;
class MaskCache;
class Mask;
class Matcher;
class MeasuredTexts;
struct Configuration;
struct State;

class Constraint {
public:
    // Fails where the grammar names a token that the vocabulary has not.
    static Result<std::shared_ptr<Constraint>> make(std::shared_ptr<const Grammar> grammar,
                                                    std::shared_ptr<const Vocabulary> vocabulary);
    ~Constraint();
    const Vocabulary& vocabulary() const { return *vocabulary_; }
    size_t memory_bytes() const;  // of what was found out so far, without the vocabulary

private:
    friend class Matcher;
    Constraint();
    std::shared_ptr<const Mask> mask_of(const State& state);
    void compute(const State& state, TokenBits& bits);
    void walk(const TokenTree& tree, uint32_t begin, uint32_t end, std::span<const Configuration> from,
              TokenBits& bits);
    bool keeps_plain_text(uint32_t set, uint8_t after_byte);
    bool is_one_character(uint32_t set);
    struct TextButFor {
        uint32_t home;            // where plain text leads, and stays
        uint64_t kinds = 0;       // of bytes that lead elsewhere from there
        std::string firsts = {};  // bytes that do so now
    };
    const TextButFor& text_but_for(uint32_t set);
    TextButFor find_text_but_for(uint32_t set);
    bool add_text_but_for(const TextButFor& found, std::span<const Configuration> now, TokenBits& bits);
    bool is_short_lived(const Configuration& c) const;
    bool takes(std::span<const Configuration> from, std::string_view bytes);
    MeasuredTexts* measured_texts(const Configuration& c);
    struct Run {
        uint64_t kinds;
        uint32_t next;
    };
    Run run_of(uint32_t set);
    bool takes_all(uint32_t set, const TokenTree& tree, uint32_t node);
    void collect();

    std::shared_ptr<const Grammar> grammar_;
    std::shared_ptr<const Vocabulary> vocabulary_;
    mutable std::mutex mutex_;
    std::unique_ptr<Machine> machine_;
    std::unique_ptr<MaskCache> cache_;
    std::vector<uint8_t> keeps_plain_, one_character_;                // by set: 0 unknown, 1 no, 2 yes
    std::vector<std::optional<TextButFor>> texts_but_for_;            // by set
    std::vector<Run> runs_;                                           // by set; next == kNone: not yet known
    std::map<const void*, std::unique_ptr<MeasuredTexts>> measured_;  // by graph
    std::vector<Matcher*> matchers_;
    size_t collect_above_;
    int64_t steps_left_ = 0;  // for the mask at hand
    bool has_given_up_ = false;
};

class Matcher {
public:
    static constexpr size_t kMostRollback = 64;  // calls of accept() that can be undone at least

    explicit Matcher(std::shared_ptr<Constraint> constraint);
    Matcher(const Matcher& other);  // an independent copy
    Matcher& operator=(const Matcher&) = delete;
    ~Matcher();

    // Clears the bits of tokens that may not come next (id % 32 of word id / 32). End tokens stay where the text may
    // end.
    void mask(std::span<uint32_t> allowed_bits);
    // Takes a token, or bytes however cut. What is not allowed is an error and changes nothing.
    Result<> accept(int32_t token);
    Result<> accept(std::string_view bytes);
    bool allows(int32_t token);
    // How many of the bytes could be taken.
    size_t fitting(std::string_view bytes) const;
    // Bytes that must come next whatever else happens, at most `most_bytes`; stops where the text may end.
    std::string forced(size_t most_bytes = 4096);
    bool may_end() const;
    // Nothing more may follow: an end token was taken, or the text is complete and cannot go on.
    bool finished() const;
    void rollback(size_t calls);  // at most as many as were made and kept (kMostRollback)
    const Constraint& constraint() const { return *constraint_; }

private:
    friend class Constraint;
    Result<> refusal(std::string what) const;
    void push(State state);

    std::shared_ptr<Constraint> constraint_;
    std::deque<State> states_;  // the current one is the last
};

}  // namespace hearth::grammar
