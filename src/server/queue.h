// Which waiting request is handed to the engine next. Clients take turns (deficit round-robin): each turn allows a
// client a few more tokens, and it goes first once they pay for its next request; so all get the same share of the
// engine however many requests they send and however long those are. A pure data structure: no clock, no threads.
#pragma once

#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hearth::server {

class FairQueue {
public:
    using Ticket = uint64_t;
    struct Entry {
        Ticket ticket = 0;     // the caller's name for it, used once
        std::string client;    // whose share pays for it
        int64_t cost = 1;      // tokens, estimated
        int64_t priority = 0;  // lower is earlier, among the requests of one client
        double deadline = std::numeric_limits<double>::infinity();  // it must have been handed on by then
        bool was_first = false;  // it was handed on before, and comes before its equals again
    };

    explicit FairQueue(size_t most_waiting, int64_t tokens_per_turn = 32)
        : most_waiting_(most_waiting), tokens_per_turn_(tokens_per_turn) {}

    // Whether so many more requests of this client may wait. The last places are kept for others: one client may have
    // at most eight times what it leaves free.
    bool has_room(const std::string& client, size_t count) const;
    // False: there is no room. `is_more`: of something that waited before and must go on, so there always is.
    bool add(Entry entry, bool is_more = false);
    std::optional<Ticket> next();                            // leaves the queue
    const Entry* first_of(const std::string& client) const;  // that this client would have handed on; null: none
    void take_early(Ticket ticket);                          // leaves the queue before its turn, and is paid for
    bool remove(Ticket ticket);                              // false: it does not wait
    std::vector<Ticket> take_late(double now);               // all whose deadline is over
    double first_deadline() const;                           // infinity: nobody has one
    size_t size() const { return waiting_.size(); }
    size_t most_waiting() const { return most_waiting_; }

private:
    using Place = std::pair<std::pair<int64_t, uint64_t>, Ticket>;  // priority, order of arrival
    struct Client {
        std::set<Place> waiting;
        int64_t allowance = 0;  // tokens it may still have handed on in this turn
        std::list<std::string>::iterator turn;
    };
    struct Waiting {
        Entry entry;
        uint64_t arrival = 0;
        Place place() const { return {{entry.priority, arrival}, entry.ticket}; }
    };
    int64_t first_cost(const Client& client) const { return waiting_.at(client.waiting.begin()->second).entry.cost; }
    void skip_idle_rounds();

    size_t most_waiting_;
    int64_t tokens_per_turn_;
    uint64_t arrivals_ = 0;
    std::map<Ticket, Waiting> waiting_;
    std::set<std::pair<double, Ticket>> deadlines_;
    std::map<std::string, Client> clients_;  // with something waiting
    std::list<std::string> turns_;           // the first has its turn, or is about to get it
    bool turn_has_begun_ = false;
};

}  // namespace hearth::server
