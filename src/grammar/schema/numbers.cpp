// Numbers: digits within bounds, multiples, values left out.
#include <algorithm>
#include <map>

#include "grammar/schema/writer.h"

namespace hearth::grammar {

namespace {

constexpr size_t kMostWholeDigits = 20, kMostFractionDigits = 17;
constexpr int64_t kMostDivisor = 2000;
constexpr size_t kMostDivisorPlaces = 12;

struct Graph {
    CharGraph made;
    uint32_t node(bool accepts = false) {
        made.nodes.emplace_back();
        made.nodes.back().accepts = accepts;
        return uint32_t(made.nodes.size() - 1);
    }
    void edge(uint32_t from, uint32_t low, uint32_t high, uint32_t to) {
        if (low <= high) made.nodes[from].edges.push_back({CodeSet(low, high), to});
    }
};

// -?(0|[1-9][0-9]*)(\.[0-9]+)? with so many digits at most; -0 only before a fraction.
CharGraph plain_numbers(size_t whole_digits, bool may_have_fraction, bool may_be_whole) {
    Graph g;
    const uint32_t start = g.node(), minus = g.node(), zero = g.node(may_be_whole), minus_zero = g.node(),
                   point = g.node();
    g.edge(start, '-', '-', minus);
    g.edge(start, '0', '0', zero);
    g.edge(minus, '0', '0', minus_zero);
    uint32_t digit = g.node(may_be_whole);
    g.edge(start, '1', '9', digit);
    g.edge(minus, '1', '9', digit);
    const auto may_go_on = [&](uint32_t from) {
        if (may_have_fraction) g.edge(from, '.', '.', point);
    };
    may_go_on(zero);
    may_go_on(minus_zero);
    may_go_on(digit);
    for (size_t i = 1; i < whole_digits; ++i) {
        const uint32_t next = g.node(may_be_whole);
        g.edge(digit, '0', '9', next);
        digit = next;
        may_go_on(digit);
    }
    uint32_t place = point;
    for (size_t i = 0; i < kMostFractionDigits && may_have_fraction; ++i) {
        const uint32_t next = g.node(true);
        g.edge(place, '0', '9', next);
        place = next;
    }
    return std::move(g.made);
}

// Numbers with a fraction that is not zero.
CharGraph broken_numbers() {
    Graph g;
    const uint32_t start = g.node(), digits = g.node(), zeros = g.node(), broken = g.node(true);
    g.edge(start, '-', '-', start);
    g.edge(start, '0', '9', digits);
    g.edge(digits, '0', '9', digits);
    g.edge(digits, '.', '.', zeros);
    g.edge(zeros, '0', '0', zeros);
    g.edge(zeros, '1', '9', broken);
    g.edge(broken, '0', '9', broken);
    return std::move(g.made);
}

// Adds the numbers without a sign that are below, equal to or above `bound` (its sign apart), from `start` on.
void add_compared(Graph& g, uint32_t start, const Decimal& bound, bool below, bool equal, bool above) {
    enum Outcome { less, same, greater };
    const auto accepts = [&](Outcome outcome) { return outcome == less ? below : outcome == same ? equal : above; };
    // Once decided by the whole part or a digit behind the point, any fraction goes.
    std::map<Outcome, std::pair<uint32_t, uint32_t>> decided;  // behind the point: before a digit, after one
    for (const Outcome outcome : {less, greater}) {
        decided[outcome] = {g.node(), g.node(accepts(outcome))};
        g.edge(decided[outcome].first, '0', '9', decided[outcome].second);
        g.edge(decided[outcome].second, '0', '9', decided[outcome].second);
    }
    // The fraction while all before was equal.
    std::vector<uint32_t> places{g.node()};
    const auto outcome_at = [&](size_t place) { return place < bound.fraction.size() ? less : same; };
    for (size_t i = 0; i < bound.fraction.size(); ++i) {
        const uint32_t digit = uint32_t(bound.fraction[i]);
        places.push_back(g.node(accepts(outcome_at(i + 1))));
        g.edge(places[i], '0', digit - 1, decided[less].second);
        g.edge(places[i], digit, digit, places[i + 1]);
        g.edge(places[i], digit + 1, '9', decided[greater].second);
    }
    const uint32_t zeros = bound.fraction.empty() ? g.node(accepts(same)) : places.back();
    if (bound.fraction.empty())
        g.edge(places[0], '0', '0', zeros), g.edge(places[0], '1', '9', decided[greater].second);
    g.edge(zeros, '0', '0', zeros);
    g.edge(zeros, '1', '9', decided[greater].second);

    // The whole part: by the number of digits, then digit by digit.
    const size_t count = bound.whole.size();
    const Outcome whole_equal = bound.fraction.empty() ? same : less;
    std::map<std::pair<size_t, Outcome>, uint32_t> nodes;  // digits read, how they compare
    const auto node_of = [&](size_t read, Outcome outcome) {
        const auto [found, is_new] = nodes.try_emplace({read, outcome}, 0);
        if (!is_new) return found->second;
        const Outcome so_far = read < count ? less : outcome == same ? whole_equal : outcome;
        found->second = g.node(accepts(so_far));
        const uint32_t behind_point =
            read == count && outcome == same ? places[0] : decided[read < count ? less : outcome].first;
        g.edge(found->second, '.', '.', behind_point);
        return found->second;
    };
    const uint32_t longer = g.node(accepts(greater));
    g.edge(longer, '0', '9', longer);
    g.edge(longer, '.', '.', decided[greater].first);
    for (size_t read = 0; read < count; ++read)
        for (const Outcome outcome : {less, same, greater}) {
            if (read == 0 && outcome != same) continue;
            const uint32_t from = read == 0 ? start : node_of(read, outcome);
            const uint32_t digit = uint32_t(bound.whole[read]);
            if (outcome != same) {
                g.edge(from, '0', '9', node_of(read + 1, outcome));
                continue;
            }
            g.edge(from, '0', digit - 1, node_of(read + 1, less));
            g.edge(from, digit, digit, node_of(read + 1, same));
            g.edge(from, digit + 1, '9', node_of(read + 1, greater));
        }
    for (const Outcome outcome : {less, same, greater}) g.edge(node_of(count, outcome), '0', '9', longer);
}

CharGraph within_bound(const Bound& bound, bool is_least) {
    Graph g;
    const uint32_t start = g.node(), minus = g.node();
    g.edge(start, '-', '-', minus);
    const bool takes_equal = !bound.is_exclusive;
    const uint32_t all = g.node(true);
    g.edge(all, '0', '9', all);
    g.edge(all, '.', '.', all);
    const bool is_below_zero = bound.value.is_negative;
    // Numbers with a minus compare the other way round.
    const auto add_all = [&](uint32_t from) { g.edge(from, '0', '9', all); };
    if (is_least) {
        is_below_zero ? add_all(start) : add_compared(g, start, bound.value, false, takes_equal, true);
        if (is_below_zero) add_compared(g, minus, bound.value, true, takes_equal, false);
    } else {
        if (!is_below_zero) add_compared(g, start, bound.value, true, takes_equal, false);
        if (is_below_zero)
            add_compared(g, minus, bound.value, false, takes_equal, true);
        else
            add_compared(g, minus, Decimal{}, false, !bound.value.is_zero() || takes_equal, true);
    }
    return std::move(g.made);
}

// All spellings without exponent of one value.
CharGraph spellings_of(const Decimal& value) {
    Graph g;
    const uint32_t start = g.node();
    uint32_t now = start;
    const std::string text = value.text();
    const auto next = [&](char c, bool accepts) {
        const uint32_t node = g.node(accepts);
        g.edge(now, uint8_t(c), uint8_t(c), node);
        now = node;
    };
    for (size_t i = 0; i < text.size(); ++i) next(text[i], i + 1 == text.size());
    if (value.fraction.empty()) {
        next('.', false);
        if (value.is_zero()) {  // -0.0 equals 0
            const uint32_t minus = g.node(), zero = g.node();
            g.edge(start, '-', '-', minus);
            g.edge(minus, '0', '0', zero);
            g.edge(zero, '.', '.', now);
        }
        next('0', true);
    }
    g.edge(now, '0', '0', now);
    return std::move(g.made);
}

// Multiples of unit / 10^places: the digits, scaled by 10^places, modulo unit.
CharGraph multiples(int64_t unit, size_t places) {
    Graph g;
    const uint32_t start = g.node();
    g.edge(start, '-', '-', start);
    std::vector<int64_t> scale(places + 1, 1 % unit);  // 10^i mod unit
    for (size_t i = 1; i <= places; ++i) scale[i] = scale[i - 1] * 10 % unit;
    std::vector<std::vector<uint32_t>> nodes(places + 1);  // by digits behind the point, by remainder
    for (size_t place = 0; place <= places; ++place)
        for (int64_t rest = 0; rest < unit; ++rest)
            nodes[place].push_back(g.node(rest * scale[places - place] % unit == 0));
    std::vector<uint32_t> points;
    for (int64_t rest = 0; rest < unit && places > 0; ++rest) points.push_back(g.node());
    for (int64_t rest = 0; rest < unit; ++rest)
        for (uint32_t digit = 0; digit < 10; ++digit) {
            const size_t next = size_t((rest * 10 + digit) % unit);
            if (rest == 0) g.edge(start, '0' + digit, '0' + digit, nodes[0][digit % size_t(unit)]);
            g.edge(nodes[0][size_t(rest)], '0' + digit, '0' + digit, nodes[0][next]);
            for (size_t place = 1; place < places; ++place)
                g.edge(nodes[place][size_t(rest)], '0' + digit, '0' + digit, nodes[place + 1][next]);
            if (places > 0) g.edge(points[size_t(rest)], '0' + digit, '0' + digit, nodes[1][next]);
        }
    for (int64_t rest = 0; rest < unit && places > 0; ++rest)
        g.edge(nodes[0][size_t(rest)], '.', '.', points[size_t(rest)]);
    return std::move(g.made);
}

}  // namespace

Result<ExprId> SchemaWriter::number(const Facts& facts) {
    bool may_have_fraction = facts.types & kFraction;
    const bool may_be_whole = facts.types & kInteger;
    std::vector<Decimal> excluded;
    for (const Json* value : facts.excluded)
        if (value->is_number())
            if (const auto decimal = Decimal::read(value->number_text())) excluded.push_back(*decimal);
    if (!facts.least && !facts.most && facts.divisors.empty() && excluded.empty() && may_be_whole) {
        const CharGraph whole = plain_numbers(kMostWholeDigits, false, true);
        if (!may_have_fraction) return shared("integer", rules_.graph(whole, Spelling::utf8));
        // An exponent that no double can hold is none.
        const auto digits = [&](char low, char high) { return rules_.codes(CodeSet(uint8_t(low), uint8_t(high))); };
        const ExprId digit = digits('0', '9');
        const ExprId exponent =
            rules_.choice({rules_.repeat(digit, 1, 2), rules_.sequence({digits('0', '1'), digit, digit}),
                           rules_.sequence({digits('2', '2'), digits('0', '7'), digit}),
                           rules_.sequence({rules_.bytes("28"), digits('0', '7')})});
        CodeSet e('e', 'e'), sign('+', '+');
        e.add('E', 'E');
        sign.add('-', '-');
        const ExprId tail =
            rules_.optional(rules_.sequence({rules_.codes(e), rules_.optional(rules_.codes(sign)), exponent}));
        return shared("number", rules_.sequence(
                                    {rules_.graph(plain_numbers(kMostWholeDigits, true, true), Spelling::utf8), tail}));
    }
    size_t digits = kMostWholeDigits;
    for (const auto& bound : {facts.least, facts.most})
        if (bound) digits = std::max(digits, bound->value.whole.size() + 1);
    CharGraph graph = plain_numbers(digits, may_have_fraction, may_be_whole);
    const auto cut = [&](const CharGraph& other, Combination how) -> Result<> {
        graph = TRY(combined(graph, other, how));
        return {};
    };
    if (!may_be_whole) TRY(cut(broken_numbers(), Combination::both));
    if (facts.least) TRY(cut(within_bound(*facts.least, true), Combination::both));
    if (facts.most) TRY(cut(within_bound(*facts.most, false), Combination::both));
    for (const auto& [divisor, schema] : facts.divisors) {
        const std::string unit = divisor.whole == "0" ? divisor.fraction : divisor.whole + divisor.fraction;
        const std::string significant = unit.substr(std::min(unit.find_first_not_of('0'), unit.size()));
        if (divisor.fraction.size() > kMostDivisorPlaces || significant.size() > 6 ||
            std::stoll(significant) > kMostDivisor)
            return document_.refuse(
                *schema, "multipleOf",
                fmt::format("asks for multiples of {}, which cannot be enforced", divisor.text()),
                fmt::format("use at most {} places and {} units of the last", kMostDivisorPlaces, kMostDivisor));
        TRY(cut(multiples(std::stoll(significant), divisor.fraction.size()), Combination::both));
    }
    for (const Decimal& value : excluded) TRY(cut(spellings_of(value), Combination::first_only));
    if (is_empty(graph)) return Rules::kNothing;
    return rules_.graph(std::move(graph), Spelling::utf8);
}

}  // namespace hearth::grammar
