// Pages of one group, counted by reference: several sequences and kept texts may read the same page.
#pragma once

#include <cstdint>
#include <vector>

namespace hearth {

class PagePool {
public:
    explicit PagePool(int32_t pages = 0) : users_(size_t(pages), 0) {
        for (int32_t page = pages - 1; page >= 0; --page) free_.push_back(page);
    }
    int32_t take() {  // -1: none left
        if (free_.empty()) return -1;
        const int32_t page = free_.back();
        free_.pop_back();
        users_[size_t(page)] = 1;
        return page;
    }
    void share(int32_t page) { ++users_[size_t(page)]; }
    void give(int32_t page) {
        if (--users_[size_t(page)] == 0) free_.push_back(page);
    }
    int32_t users(int32_t page) const { return users_[size_t(page)]; }
    int64_t free_pages() const { return int64_t(free_.size()); }
    int64_t pages() const { return int64_t(users_.size()); }

private:
    std::vector<int32_t> free_;
    std::vector<int32_t> users_;
};

}  // namespace hearth
