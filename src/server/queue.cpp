#include "server/queue.h"

#include <algorithm>
#include <cmath>

namespace hearth::server {

bool FairQueue::has_room(const std::string& client, size_t count) const {
    constexpr size_t kShareOfFree = 8;
    const size_t free = most_waiting_ - std::min(most_waiting_, waiting_.size());
    if (count > free) return false;
    const auto found = clients_.find(client);
    const size_t own = found == clients_.end() ? 0 : found->second.waiting.size();
    return own + count <= kShareOfFree * (free - count + 1);
}

bool FairQueue::add(Entry entry, bool is_more) {
    if (waiting_.contains(entry.ticket) || (!is_more && !has_room(entry.client, 1))) return false;
    entry.cost = std::max<int64_t>(entry.cost, 1);
    auto [found, is_new] = clients_.try_emplace(entry.client);
    if (is_new) found->second.turn = turns_.insert(turns_.end(), entry.client);
    if (std::isfinite(entry.deadline)) deadlines_.emplace(entry.deadline, entry.ticket);
    const uint64_t arrival = entry.was_first ? 0 : ++arrivals_;
    const Waiting waiting{std::move(entry), arrival};
    found->second.waiting.insert(waiting.place());
    waiting_.emplace(waiting.entry.ticket, waiting);
    return true;
}

bool FairQueue::remove(Ticket ticket) {
    const auto found = waiting_.find(ticket);
    if (found == waiting_.end()) return false;
    const Entry& entry = found->second.entry;
    const auto client = clients_.find(entry.client);
    client->second.waiting.erase(found->second.place());
    if (client->second.waiting.empty()) {
        // What it did not use is lost: who sends nothing saves nothing up.
        if (client->second.turn == turns_.begin()) turn_has_begun_ = false;
        turns_.erase(client->second.turn);
        clients_.erase(client);
    }
    deadlines_.erase({entry.deadline, ticket});
    waiting_.erase(found);
    return true;
}

const FairQueue::Entry* FairQueue::first_of(const std::string& client) const {
    const auto found = clients_.find(client);
    return found == clients_.end() ? nullptr : &waiting_.at(found->second.waiting.begin()->second).entry;
}

void FairQueue::take_early(Ticket ticket) {
    const Entry& entry = waiting_.at(ticket).entry;
    clients_.at(entry.client).allowance -= entry.cost;
    remove(ticket);
}

// Rounds in which nobody could pay for anything, taken in one step.
void FairQueue::skip_idle_rounds() {
    int64_t fewest = std::numeric_limits<int64_t>::max();
    for (const auto& [name, client] : clients_) {
        const int64_t missing = std::max<int64_t>(first_cost(client) - client.allowance, 0);
        fewest = std::min(fewest, missing == 0 ? 0 : (missing - 1) / tokens_per_turn_);
    }
    for (auto& [name, client] : clients_) client.allowance += fewest * tokens_per_turn_;
}

std::optional<FairQueue::Ticket> FairQueue::next() {
    if (waiting_.empty()) return std::nullopt;
    bool has_skipped = false;
    while (true) {
        Client& client = clients_.at(turns_.front());
        if (!turn_has_begun_) {
            if (!std::exchange(has_skipped, true)) skip_idle_rounds();
            client.allowance += tokens_per_turn_;
            turn_has_begun_ = true;
        }
        const int64_t cost = first_cost(client);
        if (cost <= client.allowance) {
            client.allowance -= cost;
            const Ticket ticket = client.waiting.begin()->second;
            remove(ticket);
            return ticket;
        }
        turns_.splice(turns_.end(), turns_, turns_.begin());
        turn_has_begun_ = false;
    }
}

std::vector<FairQueue::Ticket> FairQueue::take_late(double now) {
    std::vector<Ticket> late;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        late.push_back(deadlines_.begin()->second);
        remove(late.back());
    }
    return late;
}

double FairQueue::first_deadline() const {
    return deadlines_.empty() ? std::numeric_limits<double>::infinity() : deadlines_.begin()->first;
}

}  // namespace hearth::server
