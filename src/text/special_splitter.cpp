#include "text/special_splitter.h"

#include <algorithm>

namespace hearth {

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

SpecialSplitter::SpecialSplitter(std::vector<Special> specials) : specials_(std::move(specials)) {
    std::ranges::stable_sort(specials_,
                             [](const Special& a, const Special& b) { return a.text.size() > b.text.size(); });
    for (auto& set : begins_) set.assign(1024, 0);
    for (uint32_t rank = 0; rank < specials_.size(); ++rank) {
        const Special& special = specials_[rank];
        trie_.insert(special.text, rank);
        any_strips_ |= special.strips_left || special.strips_right;
        const uint32_t first = uint8_t(special.text[0]);
        for (uint32_t second = 0; second < 256; ++second) {
            if (special.text.size() > 1 && second != uint8_t(special.text[1])) continue;
            const uint32_t pair = first << 8 | second;
            begins_[0][pair >> 6] |= uint64_t{1} << (pair & 63);
            if (!special.hidden) begins_[1][pair >> 6] |= uint64_t{1} << (pair & 63);
        }
    }
}

bool touches_input(size_t begin, size_t end, std::span<const InputSpan> input) {
    const auto next = std::ranges::upper_bound(input, begin, {}, &InputSpan::end);
    return next != input.end() && next->begin < end;
}

bool SpecialSplitter::is_barred(size_t at, uint32_t rank, std::span<const InputSpan> input) const {
    if (input.empty()) return false;
    const std::string_view text = specials_[rank].text;
    return touches_input(at, at + text.size(), input) && !std::ranges::all_of(text, is_space);
}

void SpecialSplitter::split(std::string_view text, bool hidden_too, std::vector<Fragment>& out,
                            std::span<const InputSpan> input) const {
    out.clear();
    uint32_t text_begin = 0;  // of the ordinary text not yet handed out
    const auto flush_text = [&](uint32_t end) {
        if (end > text_begin) out.push_back({text_begin, end});
    };
    if (text.empty()) return;
    if (specials_.empty()) {
        flush_text(uint32_t(text.size()));
        return;
    }
    const auto& begins = begins_[hidden_too ? 0 : 1];

    // A cluster: candidates that overlap one another, directly or through others.
    Fragment cluster;
    std::vector<uint32_t> ranks;  // of the specials seen in it, perhaps several times
    bool one_begin = true;        // all of them begin at the same place
    const auto close_cluster = [&] {
        if (ranks.empty()) return;
        flush_text(cluster.begin);
        if (one_begin)
            out.push_back({cluster.begin, cluster.end, specials_[*std::ranges::min_element(ranks)].id});
        else
            resolve(text, cluster, ranks, out, input);
        text_begin = cluster.end;
        ranks.clear();
    };

    if (any_strips_) {  // white space that is swallowed may belong to other candidates: take the text as one cluster
        std::vector<bool> seen(specials_.size());
        for (size_t at = 0; at < text.size(); ++at)
            trie_.prefixes(text.substr(at), [&](size_t, uint32_t rank) {
                if (is_barred(at, rank, input)) return;
                if (!seen[rank] && (hidden_too || !specials_[rank].hidden)) ranks.push_back(rank);
                seen[rank] = true;
            });
        resolve(text, {0, uint32_t(text.size())}, ranks, out, input);
        return;
    }

    std::vector<uint32_t> last_seen(specials_.size(), Trie::kNone);  // begin of the cluster that listed it already
    for (uint32_t at = 0; at < text.size(); ++at) {
        const uint32_t pair = uint32_t(uint8_t(text[at])) << 8 | (at + 1 < text.size() ? uint8_t(text[at + 1]) : 0);
        if (!(begins[pair >> 6] >> (pair & 63) & 1)) continue;
        trie_.prefixes(text.substr(at), [&](size_t length, uint32_t rank) {
            if ((specials_[rank].hidden && !hidden_too) || is_barred(at, rank, input)) return;
            if (ranks.empty() || at >= cluster.end) {
                close_cluster();
                cluster = {at, at};
                one_begin = true;
            }
            one_begin &= at == cluster.begin;
            cluster.end = std::max(cluster.end, at + uint32_t(length));
            if (last_seen[rank] != cluster.begin) ranks.push_back(rank);
            last_seen[rank] = cluster.begin;
        });
    }
    close_cluster();
    flush_text(uint32_t(text.size()));

    // What a cluster left over at its edges belongs to the text beside it.
    size_t kept = 0;
    for (size_t i = 1; i < out.size(); ++i) {
        if (out[i].token == Fragment::kText && out[kept].token == Fragment::kText && out[kept].end == out[i].begin)
            out[kept].end = out[i].end;
        else
            out[++kept] = out[i];
    }
    if (!out.empty()) out.resize(kept + 1);
}

void SpecialSplitter::resolve(std::string_view text, Fragment cluster, std::vector<uint32_t>& ranks,
                              std::vector<Fragment>& out, std::span<const InputSpan> input) const {
    std::ranges::sort(ranks);
    std::vector<Fragment> free{cluster}, still_free, taken;
    for (const uint32_t rank : ranks) {
        const Special& special = specials_[rank];
        still_free.clear();
        for (Fragment rest : free) {
            while (true) {
                const std::string_view raw = text.substr(rest.begin, rest.end - rest.begin);
                size_t found = raw.find(special.text);
                while (found != raw.npos && is_barred(rest.begin + found, rank, input))
                    found = raw.find(special.text, found + 1);
                if (found == raw.npos) break;
                uint32_t left_end = rest.begin + uint32_t(found);
                uint32_t right_begin = left_end + uint32_t(special.text.size());
                taken.push_back({left_end, right_begin, special.id});
                if (special.strips_left)
                    while (left_end > rest.begin && is_space(text[left_end - 1])) --left_end;
                if (special.strips_right)
                    while (right_begin < rest.end && is_space(text[right_begin])) ++right_begin;
                if (left_end > rest.begin) still_free.push_back({rest.begin, left_end});
                rest.begin = right_begin;
            }
            if (rest.end > rest.begin) still_free.push_back(rest);
        }
        free.swap(still_free);
    }
    const size_t before = out.size();
    out.insert(out.end(), free.begin(), free.end());
    out.insert(out.end(), taken.begin(), taken.end());
    std::sort(out.begin() + ptrdiff_t(before), out.end(),
              [](const Fragment& a, const Fragment& b) { return a.begin < b.begin; });
}

}  // namespace hearth
