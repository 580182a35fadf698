// Where the engine leaves its events: it must not wait, and must not become the last to hold a model.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace hearth::server {

// Of one request: what happens to its parts. `wake` is set before the first item can come.
template <class Item>
struct Inbox {
    std::mutex mutex;
    std::deque<Item> items;
    bool is_read = true;  // somebody is reading, or is about to
    std::function<void()> wake;

    void put(Item item) {
        {
            std::lock_guard lock(mutex);
            items.push_back(std::move(item));
            if (std::exchange(is_read, true)) return;
        }
        wake();
    }
    // What came since the last time; nothing: the reader goes, and will be woken.
    std::deque<Item> take() {
        std::lock_guard lock(mutex);
        if (items.empty()) is_read = false;
        return std::exchange(items, {});
    }
};

}  // namespace hearth::server
