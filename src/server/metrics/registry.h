// Counters, gauges and histograms, and how Prometheus reads them (text exposition format 0.0.4). Counting is a few
// atomic additions from any thread; only finding a series by its labels takes a lock, so who counts often keeps the
// reference.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace hearth::server {

class Counter {
public:
    void add(uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
    uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<uint64_t> value_ = 0;
};

class Gauge {
public:
    void set(double value) { value_.store(value, std::memory_order_relaxed); }
    double value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<double> value_ = 0;
};

class Histogram {
public:
    // Upper bounds of the buckets, ascending, alive as long as this; a last bucket takes what is larger.
    explicit Histogram(std::span<const double> bounds);
    void observe(double value);  // what is no finite number does not count

    struct Reading {
        std::vector<uint64_t> up_to;  // per bound: how many were not larger; the last one counts all
        double sum = 0;
    };
    Reading read() const;
    std::span<const double> bounds() const { return bounds_; }

private:
    std::span<const double> bounds_;
    std::vector<std::atomic<uint64_t>> counts_;
    std::atomic<double> sum_ = 0;
};

// One name with all its series, one per set of label values. Those must come from a bounded set: series stay for ever.
class AnyFamily {
public:
    AnyFamily(std::string name, std::string help, std::vector<std::string> labels)
        : name_(std::move(name)), help_(std::move(help)), labels_(std::move(labels)) {}
    virtual ~AnyFamily() = default;
    const std::string& name() const { return name_; }
    virtual void write(std::string& out) const = 0;
    virtual std::vector<std::string> sample_names() const { return {name_}; }

protected:
    void write_head(std::string& out, std::string_view type) const;
    // NAMEsuffix{labels,extra} value
    void write_sample(std::string& out, std::string_view suffix, const std::vector<std::string>& values,
                      std::string_view extra, double value) const;
    static void write_series(std::string& out, const AnyFamily& family, const std::vector<std::string>& values,
                             const Counter& counter);
    static void write_series(std::string& out, const AnyFamily& family, const std::vector<std::string>& values,
                             const Gauge& gauge);
    static void write_series(std::string& out, const AnyFamily& family, const std::vector<std::string>& values,
                             const Histogram& histogram);

    const std::string name_, help_;
    const std::vector<std::string> labels_;
};

template <class Metric>
class Family final : public AnyFamily {
public:
    Family(std::string_view type, std::string name, std::string help, std::vector<std::string> labels,
           std::span<const double> bounds = {})
        : AnyFamily(std::move(name), std::move(help), std::move(labels)), type_(type), bounds_(bounds) {}

    // As many values as there are labels. The reference stays valid as long as the registry.
    Metric& at(const std::vector<std::string>& values) {
        std::lock_guard lock(mutex_);
        auto& place = series_[values];
        if (!place) {
            if constexpr (std::is_same_v<Metric, Histogram>)
                place = std::make_unique<Metric>(bounds_);
            else
                place = std::make_unique<Metric>();
        }
        return *place;
    }

    void write(std::string& out) const override {
        write_head(out, type_);
        std::lock_guard lock(mutex_);
        for (const auto& [values, metric] : series_) write_series(out, *this, values, *metric);
    }
    std::vector<std::string> sample_names() const override {
        if constexpr (std::is_same_v<Metric, Histogram>) return {name_ + "_bucket", name_ + "_sum", name_ + "_count"};
        return {name_};
    }

private:
    const std::string_view type_;
    const std::span<const double> bounds_;
    mutable std::mutex mutex_;
    std::map<std::vector<std::string>, std::unique_ptr<Metric>> series_;
};

class Registry {
public:
    // All families are made before anybody counts or reads.
    Family<Counter>& counter(std::string name, std::string help, std::vector<std::string> labels = {});
    Family<Gauge>& gauge(std::string name, std::string help, std::vector<std::string> labels = {});
    Family<Histogram>& histogram(std::string name, std::string help, std::span<const double> bounds,
                                 std::vector<std::string> labels = {});
    // What somebody else counts, in any unit: set as a gauge, told as a counter.
    Family<Gauge>& counted_elsewhere(std::string name, std::string help, std::vector<std::string> labels = {});

    std::string text() const;
    // The names that a query can use, with those that histograms are made of.
    std::vector<std::string> sample_names() const;
    static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

private:
    template <class Metric>
    Family<Metric>& add(std::unique_ptr<Family<Metric>> family) {
        Family<Metric>& made = *family;
        families_.push_back(std::move(family));
        return made;
    }
    std::vector<std::unique_ptr<AnyFamily>> families_;
};

}  // namespace hearth::server
