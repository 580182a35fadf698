// What may be said next, and what the tokens said so far mean: the one thing the engine asks of chat formats and
// grammars. Declared here and implemented in chat/ and grammar/, so that the engine knows tokens and never channels,
// tools or schemas.
//
// A guide belongs to one sequence and is called by one thread at a time. Per generated token the engine calls, in this
// order,
//     forced() or mask()  ->  accept(token, piece)
// and once, when the sequence ends for any reason other than a failed accept, finish().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth {

// A piece of meaning on its way to the client. The engine passes it on untouched; `kind` and `index` are chosen by the
// guide's implementer (say answer = 0, thinking = 1, tool call arguments = 2 with the call's number as index).
struct GuideEvent {
    int32_t kind = 0;
    int32_t index = 0;
    std::string text;  // valid UTF-8, may be empty (a mere mark: a channel opens or closes)

    bool operator==(const GuideEvent&) const = default;
};
using GuideEvents = std::vector<GuideEvent>;

class Guide {
public:
    virtual ~Guide() = default;

    // Clears the bits of tokens that may not come next: bit id % 32 of word id / 32, set on entry where something else
    // has not already cleared it. Guides only ever clear, so that several can share one row. False: nothing was
    // cleared, and the caller may skip its masking pass. Calling it again without accept() in between gives the same
    // answer.
    virtual bool mask(std::span<uint32_t> allowed_bits) = 0;

    // Takes the token that was chosen. `piece` is its text as bytes, possibly a part of a code point, empty for control
    // tokens. Appends the events that are now certain; text that might still turn into a marker is held back until it
    // is decided. The error of a token that mask() forbids leaves the guide as it was.
    virtual Result<> accept(int32_t token, std::string_view piece, GuideEvents& out) = 0;

    // Releases all that is still held back: nothing that the model said may be lost when it stops in mid-marker.
    virtual Result<> finish(GuideEvents& out) = 0;

    // Tokens that must come next, whatever the model says; empty when there is a choice. They need no sampling, but
    // each still goes through accept() (and into the cache). Valid until the next non-const call.
    virtual std::span<const int32_t> forced() { return {}; }

    // True once nothing more may follow: the engine ends the sequence as at an end-of-text token.
    virtual bool finished() const = 0;

    // An independent copy, for forks (n > 1) and for speculation: drafts are tried on a clone, its events dropped.
    virtual std::unique_ptr<Guide> clone() const = 0;

    // Undoes the last `tokens` calls of accept(), at most as many as were made since the last rollback point that the
    // implementation still holds (at least kRollbackTokens). Events already handed out are the caller's to withdraw.
    virtual void rollback(int tokens) = 0;

    static constexpr int kRollbackTokens = 32;  // more than any draft is long
};

}  // namespace hearth
