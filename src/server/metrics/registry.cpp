#include "server/metrics/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text_format.h"

namespace hearth::server {

namespace {

std::string escaped(std::string_view text, bool escapes_quotes) {
    std::string out;
    for (const char c : valid_utf8(text)) {
        if (c == '\n')
            out += "\\n";
        else if (c == '\\' || (c == '"' && escapes_quotes))
            (out += '\\') += c;
        else
            out += c;
    }
    return out;
}

std::string number_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    return fmt::format("{}", value);
}

// Python's client writes bounds as floats, and series are told apart by their text.
std::string bound_text(double bound) {
    std::string text = number_text(bound);
    if (text.find_first_not_of("0123456789") == std::string::npos) text += ".0";
    return text;
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {}

void Histogram::observe(double value) {
    if (!std::isfinite(value)) return;
    const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
    counts_[size_t(bucket)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Reading Histogram::read() const {
    Reading reading;
    uint64_t so_far = 0;
    for (const auto& count : counts_) reading.up_to.push_back(so_far += count.load(std::memory_order_relaxed));
    reading.sum = sum_.load(std::memory_order_relaxed);
    return reading;
}

void AnyFamily::write_head(std::string& out, std::string_view type) const {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name_, escaped(help_, false), name_, type);
}

void AnyFamily::write_sample(std::string& out, std::string_view suffix, const std::vector<std::string>& values,
                             std::string_view extra, double value) const {
    std::string labels;
    for (size_t i = 0; i < labels_.size() && i < values.size(); ++i)
        labels += fmt::format("{}{}=\"{}\"", labels.empty() ? "" : ",", labels_[i], escaped(values[i], true));
    if (!extra.empty()) (labels += labels.empty() ? "" : ",") += extra;
    out += name_;
    out += suffix;
    if (!labels.empty()) out += fmt::format("{{{}}}", labels);
    out += fmt::format(" {}\n", number_text(value));
}

void AnyFamily::write_series(std::string& out, const AnyFamily& family, const std::vector<std::string>& values,
                             const Counter& counter) {
    family.write_sample(out, "", values, "", double(counter.value()));
}

void AnyFamily::write_series(std::string& out, const AnyFamily& family, const std::vector<std::string>& values,
                             const Gauge& gauge) {
    family.write_sample(out, "", values, "", gauge.value());
}

void AnyFamily::write_series(std::string& out, const AnyFamily& family, const std::vector<std::string>& values,
                             const Histogram& histogram) {
    const Histogram::Reading reading = histogram.read();
    const auto bounds = histogram.bounds();
    for (size_t i = 0; i < reading.up_to.size(); ++i)
        family.write_sample(out, "_bucket", values,
                            fmt::format("le=\"{}\"", i < bounds.size() ? bound_text(bounds[i]) : "+Inf"),
                            double(reading.up_to[i]));
    family.write_sample(out, "_sum", values, "", reading.sum);
    family.write_sample(out, "_count", values, "", double(reading.up_to.back()));
}

Family<Counter>& Registry::counter(std::string name, std::string help, std::vector<std::string> labels) {
    return add(std::make_unique<Family<Counter>>("counter", std::move(name), std::move(help), std::move(labels)));
}
Family<Gauge>& Registry::gauge(std::string name, std::string help, std::vector<std::string> labels) {
    return add(std::make_unique<Family<Gauge>>("gauge", std::move(name), std::move(help), std::move(labels)));
}
Family<Gauge>& Registry::counted_elsewhere(std::string name, std::string help, std::vector<std::string> labels) {
    return add(std::make_unique<Family<Gauge>>("counter", std::move(name), std::move(help), std::move(labels)));
}
Family<Histogram>& Registry::histogram(std::string name, std::string help, std::span<const double> bounds,
                                       std::vector<std::string> labels) {
    return add(
        std::make_unique<Family<Histogram>>("histogram", std::move(name), std::move(help), std::move(labels), bounds));
}

std::string Registry::text() const {
    std::string out;
    for (const auto& family : families_) family->write(out);
    return out;
}

std::vector<std::string> Registry::sample_names() const {
    std::vector<std::string> names;
    for (const auto& family : families_)
        for (std::string& name : family->sample_names()) names.push_back(std::move(name));
    return names;
}

}  // namespace hearth::server
