#include "grammar/matcher.h"

#include <algorithm>

#include "grammar/mask_cache.h"
#include "grammar/measured_texts.h"
#include "grammar/state.h"

namespace hearth::grammar {

namespace {

constexpr size_t kCollectAbove = 1 << 17;  // stacks

// The bits of the ids that each token terminal stands for. Without those of the end: they end the text.
Result<std::vector<TokenBits>> terminal_bits(const Network& network, const Vocabulary& vocabulary) {
    std::vector<TokenBits> all;
    for (const TokenTerminal& terminal : network.terminals) {
        TokenBits bits(vocabulary.words(), 0);
        const auto set = [&](int32_t id) { bits[size_t(id) / 32] |= 1u << (id % 32); };
        for (const int32_t id : terminal.ids) {
            if (id < 0 || size_t(id) >= vocabulary.size())
                return fail(ErrorKind::bad_request, fmt::format("the grammar names token {}, the vocabulary ends at {}",
                                                                id, int64_t(vocabulary.size()) - 1));
            set(id);
        }
        for (const std::string& text : terminal.texts) {
            const auto id = vocabulary.find(text);
            if (!id)
                return fail(ErrorKind::bad_request, fmt::format("the vocabulary has no token {}", text),
                            "write it as text in quotes, or name a token by its id: <[123]>");
            set(*id);
        }
        // A control token must be asked for: it is none of "any but".
        const TokenBits& others = terminal.is_control ? vocabulary.control_bits() : vocabulary.text_bits();
        if (terminal.is_negated || terminal.is_control)
            for (size_t word = 0; word < bits.size(); ++word) bits[word] = ~bits[word] & others[word];
        all.push_back(std::move(bits));
    }
    return all;
}

}  // namespace

Constraint::Constraint() : collect_above_(kCollectAbove) {}
Constraint::~Constraint() = default;

Result<std::shared_ptr<Constraint>> Constraint::make(std::shared_ptr<const Grammar> grammar,
                                                     std::shared_ptr<const Vocabulary> vocabulary) {
    std::shared_ptr<Constraint> made(new Constraint());
    made->grammar_ = std::move(grammar);
    made->vocabulary_ = std::move(vocabulary);
    made->machine_ = std::make_unique<Machine>(made->grammar_->network());
    made->machine_->set_terminal_bits(TRY(terminal_bits(*made->grammar_->network(), *made->vocabulary_)));
    made->cache_ = std::make_unique<MaskCache>(*made->machine_, made->vocabulary_->longest());
    return made;
}

size_t Constraint::memory_bytes() const {
    const std::lock_guard lock(mutex_);
    size_t bytes = machine_->memory_bytes() + cache_->memory_bytes() + keeps_plain_.capacity() +
                   one_character_.capacity() + sizeof(Run) * runs_.capacity() +
                   sizeof(texts_but_for_[0]) * texts_but_for_.capacity();
    for (const auto& [unused, texts] : measured_) bytes += texts->memory_bytes();
    return bytes;
}

// Stacks pile up as texts grow, and belong to nobody once these are done.
void Constraint::collect() {
    if (machine_->mark() < collect_above_) return;
    std::vector<std::vector<Configuration>*> roots;
    for (Matcher* matcher : matchers_)
        for (State& state : matcher->states_) roots.push_back(&state.configurations);
    machine_->collect(roots);
    collect_above_ = std::max(kCollectAbove, 2 * size_t(machine_->mark()));
}

Matcher::Matcher(std::shared_ptr<Constraint> constraint) : constraint_(std::move(constraint)) {
    const std::lock_guard lock(constraint_->mutex_);
    State first;
    first.may_end = constraint_->machine_->start(first.configurations);
    constraint_->machine_->forget_exhaustion();
    states_.push_back(std::move(first));
    constraint_->matchers_.push_back(this);
}

Matcher::Matcher(const Matcher& other) : constraint_(other.constraint_) {
    const std::lock_guard lock(constraint_->mutex_);
    states_ = other.states_;
    constraint_->matchers_.push_back(this);
}

Matcher::~Matcher() {
    const std::lock_guard lock(constraint_->mutex_);
    std::erase(constraint_->matchers_, this);
}

void Matcher::push(State state) {
    states_.push_back(std::move(state));
    while (states_.size() > kMostRollback + 1) states_.pop_front();
    constraint_->collect();
}

void Matcher::mask(std::span<uint32_t> allowed_bits) {
    const std::lock_guard lock(constraint_->mutex_);
    constraint_->mask_of(states_.back())->apply(allowed_bits);
}

Result<> Matcher::refusal(std::string what) const {
    Machine& machine = *constraint_->machine_;
    if (!machine.is_exhausted()) return fail(ErrorKind::bad_request, what + " is not allowed here by the grammar");
    machine.forget_exhaustion();
    return fail(ErrorKind::bad_request, "the grammar is too ambiguous or too large to be followed here",
                "write it so that fewer alternatives begin alike");
}

Result<> Matcher::accept(std::string_view bytes) {
    const std::lock_guard lock(constraint_->mutex_);
    Machine& machine = *constraint_->machine_;
    machine.forget_exhaustion();
    State next = states_.back();
    if (next.is_ended && !bytes.empty()) return refusal("text behind the end");
    std::vector<Configuration> after;
    for (size_t i = 0; i < bytes.size(); ++i) {
        after.clear();
        next.may_end = machine.step(next.configurations, uint8_t(bytes[i]), after);
        if (after.empty() && !next.may_end) return refusal(fmt::format("byte {} of the text", i));
        std::swap(after, next.configurations);
    }
    if (machine.is_exhausted()) return refusal("the text");
    push(std::move(next));
    return {};
}

Result<> Matcher::accept(int32_t token) {
    const Vocabulary& vocabulary = *constraint_->vocabulary_;
    const std::lock_guard lock(constraint_->mutex_);
    Machine& machine = *constraint_->machine_;
    machine.forget_exhaustion();
    const auto refused = [&] { return refusal(fmt::format("token {}", token)); };
    const State& now = states_.back();
    if (token < 0 || size_t(token) >= vocabulary.size() || now.is_ended) return refused();
    State next;
    if (machine.takes_tokens(now.configurations))
        next.may_end = machine.step_token(now.configurations, token, next.configurations);
    if (vocabulary.use(token) == TokenUse::end && now.may_end) {
        next.is_ended = next.may_end = true;
    } else if (vocabulary.use(token) == TokenUse::text) {
        std::vector<Configuration> from = now.configurations, after;
        bool may_end = false;
        for (const char byte : vocabulary.bytes(token)) {
            after.clear();
            may_end = machine.step(from, uint8_t(byte), after);
            std::swap(from, after);
            if (from.empty() && !may_end) break;
        }
        next.may_end |= may_end;
        for (const Configuration& c : from)
            if (std::ranges::find(next.configurations, c) == next.configurations.end())
                next.configurations.push_back(c);
    }
    if ((next.configurations.empty() && !next.may_end) || machine.is_exhausted()) return refused();
    push(std::move(next));
    return {};
}

size_t Matcher::fitting(std::string_view bytes) const {
    const std::lock_guard lock(constraint_->mutex_);
    Machine& machine = *constraint_->machine_;
    if (states_.back().is_ended) return 0;
    const uint32_t mark = machine.mark();
    std::vector<Configuration> now = states_.back().configurations, after;
    size_t count = 0;
    for (; count < bytes.size(); ++count) {
        after.clear();
        const bool may_end = machine.step(now, uint8_t(bytes[count]), after);
        if (after.empty() && !may_end) break;
        std::swap(now, after);
    }
    machine.drop_to(mark);
    machine.forget_exhaustion();
    return count;
}

bool Matcher::allows(int32_t token) {
    Matcher probe(*this);
    return probe.accept(token).has_value();
}

std::string Matcher::forced(size_t most_bytes) {
    const std::lock_guard lock(constraint_->mutex_);
    Machine& machine = *constraint_->machine_;
    std::string text;
    std::vector<Configuration> now = states_.back().configurations, after;
    bool may_end = states_.back().may_end || states_.back().is_ended;
    const uint32_t mark = machine.mark();
    while (text.size() < most_bytes && !may_end && !machine.takes_tokens(now)) {
        const std::optional<uint8_t> only = machine.only_byte(now);
        if (!only) break;
        const uint8_t byte = *only;
        after.clear();
        may_end = machine.step(now, byte, after);
        if (after.empty() && !may_end) break;  // at the limit of levels
        text += char(byte);
        std::swap(now, after);
    }
    machine.drop_to(mark);
    machine.forget_exhaustion();
    return text;
}

bool Matcher::may_end() const {
    return states_.back().may_end;
}

bool Matcher::finished() const {
    return states_.back().is_ended || states_.back().configurations.empty();
}

void Matcher::rollback(size_t calls) {
    const std::lock_guard lock(constraint_->mutex_);
    for (; calls > 0 && states_.size() > 1; --calls) states_.pop_back();
}

}  // namespace hearth::grammar
