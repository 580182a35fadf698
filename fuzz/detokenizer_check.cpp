
#include "promise.h"
#include "text/detokenizer.h"
#include "text/unicode.h"
#include "tokenizer_check.h"
#include "tokenizer_vocabularies.h"

namespace hearth {

namespace {

void require_valid(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
        const auto sequence = unicode::strict_sequence(text, at);
        promise(sequence.valid, "output is UTF-8 at every moment");
        at += sequence.length;
    }
}

std::string in_chunks(std::string_view bytes, size_t chunk) {
    Utf8Stream stream;
    std::string out;
    for (size_t at = 0; at < bytes.size(); at += chunk) {
        const std::string part = stream.push(bytes.substr(at, chunk));
        require_valid(part);
        out += part;
    }
    out += stream.finish();
    require_valid(out);
    return out;
}

void check_stops(std::string_view input) {
    const size_t first = std::min<size_t>(input.size(), 3), second = std::min<size_t>(input.size(), 5);
    const std::vector<std::string> stops = {std::string(input.substr(0, first)),
                                            std::string(input.substr(first, second - first))};
    const std::string_view text = input.substr(second);
    std::string whole;
    std::optional<size_t> whole_by;
    for (const size_t chunk : {text.size() + 1, size_t{1}, size_t{3}}) {
        StopStrings watch(stops);
        std::string out;
        std::optional<size_t> by;
        for (size_t at = 0; at < text.size() && !by; at += chunk) {
            auto step = watch.push(text.substr(at, chunk));
            out += step.text;
            by = step.stopped;
        }
        if (!by) out += watch.finish();
        if (chunk > text.size()) {
            whole = out;
            whole_by = by;
            promise(by ? text.substr(out.size()).starts_with(stops[*by]) : out == text,
                    "text ends where the stop string begins");
        }
        promise(out == whole && by == whole_by, "stop strings do not depend on the cuts");
        promise(text.starts_with(out), "output is a beginning of the text");
    }
}

}  // namespace

void check_detokenizer(std::string_view input) {
    const std::string whole = in_chunks(input, input.size() + 1);
    for (const size_t chunk : {1, 2, 3, 5, 7}) promise(in_chunks(input, chunk) == whole, "the cuts do not matter");

    static const auto vocabulary = small_bpe();
    static const auto tokenizer = std::move(*Tokenizer::make(vocabulary->source));
    std::vector<int32_t> ids;
    for (size_t at = 0; at + 1 < input.size(); at += 2)
        ids.push_back(int32_t(uint8_t(input[at]) | uint8_t(input[at + 1]) << 8) % 400);
    for (const bool show : {false, true}) {
        Detokenizer detokenizer(*tokenizer, show);
        std::string text;
        for (const int32_t id : ids) {
            const std::string part = detokenizer.push(id);
            require_valid(part);
            text += part;
        }
        text += detokenizer.finish();
        const std::string decoded = tokenizer->decode(ids, show);
        promise(text == in_chunks(decoded, decoded.size() + 1), "streaming equals decoding at once");
    }
    check_stops(input);
}

}  // namespace hearth
