// A few threads for everything that takes longer than a moment: JSON, templates, tokenizing, encoding answers.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace hearth::server {

class Workers {
public:
    explicit Workers(int threads);
    ~Workers();  // waits for what is being done; what has not begun is dropped
    void post(std::function<void()> work);

private:
    void run();

    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::function<void()>> waiting_;
    bool is_stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace hearth::server
