#include "cli/bench_report.h"

#include <algorithm>

#include "base/os.h"

namespace hearth::cli {

namespace {

Json profile_json(const std::vector<OpTime>& profile) {
    Json list = Json::array();
    for (const OpTime& op : profile) {
        Json entry = Json::object();
        entry.set("op", op.name);
        entry.set("calls", op.calls);
        entry.set("seconds", op.seconds);
        list.push(std::move(entry));
    }
    return list;
}

// Where one round's time went, most expensive first.
std::string profile_text(const Measurement& measurement) {
    std::vector<OpTime> ops = measurement.profile;
    std::ranges::sort(ops, std::greater(), &OpTime::seconds);
    double total = 0;
    for (const OpTime& op : ops) total += op.seconds;
    std::string text = fmt::format("\n{} at depth {}, one round of {:.1f} ms in ops\n", measurement.test,
                                   measurement.depth, total * 1e3);
    for (const OpTime& op : ops)
        text += fmt::format("  {:<20} {:>7} calls {:>10.2f} ms {:>6.1f} %\n", op.name, op.calls, op.seconds * 1e3,
                            100 * op.seconds / total);
    return text;
}

}  // namespace

double Measurement::median() const {
    std::vector<double> sorted = speeds;
    std::ranges::sort(sorted);
    const size_t middle = sorted.size() / 2;
    return sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

Json BenchReport::json(const Engine& engine) const {
    Json machine = Json::object();
    machine.set("processor", machine_name());
    machine.set("device", engine.device());
    machine.set("threads", engine.options().threads);
    if (roof.read_bytes_per_second > 0) {
        machine.set("read_gb_per_second", roof.read_bytes_per_second / 1e9);
        machine.set("int8_gops", roof.int8_ops_per_second / 1e9);
    }
    Json model = Json::object();
    model.set("name", name);
    model.set("architecture", engine.model().architecture);
    model.set("parameters", engine.model().parameters);
    model.set("random_weights", is_random);
    model.set("memory_bytes", engine.plan().total());
    model.set("mapped_bytes", engine.plan().mapped);           // stay in the file, not part of memory_bytes
    model.set("anonymous_bytes", resident_anonymous_bytes());  // really held, after all measurements
    model.set("peak_bytes", peak_resident_bytes());            // at most, with the pages of files
    model.set("bytes_per_token", engine.bytes_per_token(0));
    Json results = Json::array();
    for (const Measurement& one : measurements) {
        Json runs = Json::array();
        for (const double speed : one.speeds) runs.push(speed);
        Json entry = Json::object();
        entry.set("test", one.test);
        entry.set("tokens", one.tokens);
        entry.set("depth", one.depth);
        entry.set("batch", one.batch);
        entry.set("tokens_per_second", one.median());
        entry.set("share_of_roof", one.share_of_roof >= 0 ? Json(one.share_of_roof) : Json());
        entry.set("runs", std::move(runs));
        if (!one.profile.empty()) entry.set("profile", profile_json(one.profile));
        results.push(std::move(entry));
    }
    Json all = Json::object();
    all.set("machine", std::move(machine));
    all.set("model", std::move(model));
    all.set("results", std::move(results));
    return all;
}

std::string BenchReport::text(const Engine& engine) const {
    std::string text = fmt::format("{}, {}\n", title, engine.device());
    if (roof.read_bytes_per_second > 0)
        text += fmt::format("this machine reads {:.1f} GB/s and multiplies {:.0f} Gop/s in int8\n",
                            roof.read_bytes_per_second / 1e9, roof.int8_ops_per_second / 1e9);
    text += fmt::format("{:<8} {:>7} {:>7} {:>6} {:>11} {:>19}\n", "test", "tokens", "depth", "batch", "tokens/s",
                        roof.read_bytes_per_second > 0 ? "share of the roof" : "");
    for (const Measurement& one : measurements)
        text +=
            fmt::format("{:<8} {:>7} {:>7} {:>6} {:>11.1f} {:>19}\n", one.test, one.tokens, one.depth, one.batch,
                        one.median(), one.share_of_roof >= 0 ? fmt::format("{:.0f} %", one.share_of_roof * 100) : "");
    for (const Measurement& one : measurements)
        if (!one.profile.empty()) text += profile_text(one);
    return text;
}

}  // namespace hearth::cli
