// Where the engine leaves its events: it must not wait, and must not become the last to hold a model.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "engine/engine.h"

namespace hearth::server {

// Of one request: the events of its parts, by their number. `wake` is set before the first event can come.
struct Inbox {
    std::mutex mutex;
    std::deque<std::pair<size_t, Event>> events;
    bool is_read = true;  // somebody is reading, or is about to
    std::function<void()> wake;

    void put(size_t part, const Event& event) {
        {
            std::lock_guard lock(mutex);
            events.emplace_back(part, event);
            if (std::exchange(is_read, true)) return;
        }
        wake();
    }
    // What came since the last time; nothing: the reader goes, and will be woken.
    std::deque<std::pair<size_t, Event>> take() {
        std::lock_guard lock(mutex);
        if (events.empty()) is_read = false;
        return std::exchange(events, {});
    }
};

}  // namespace hearth::server
