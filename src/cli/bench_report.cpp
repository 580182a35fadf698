#include "cli/bench_report.h"

#include <algorithm>

#include "base/os.h"

namespace hearth::cli {

namespace {

// Of the seconds that were taken, the share that the machine needs at least; -1 where it is not known.
double share_of_roof(const OpTime& op, const MachineRoof& roof) {
    if (op.seconds <= 0 || roof.read_bytes_per_second <= 0) return -1;
    double least = op.cost.bytes / roof.read_bytes_per_second;
    if (roof.int8_ops_per_second > 0) least = std::max(least, op.cost.weight_operations / roof.int8_ops_per_second);
    if (roof.f32_ops_per_second > 0) least = std::max(least, op.cost.float_operations / roof.f32_ops_per_second);
    return least > 0 ? least / op.seconds : -1;
}

constexpr std::string_view name_of(OpKind kind) {
    constexpr std::string_view kNames[] = {"matrix", "cache", "state", "between"};
    return kNames[size_t(kind)];
}

Json profile_json(const std::vector<OpTime>& profile, const MachineRoof& roof) {
    Json list = Json::array();
    for (const OpTime& op : profile) {
        const double share = share_of_roof(op, roof);
        Json entry = Json::object();
        entry.set("op", op.name);
        entry.set("kind", name_of(op.cost.kind));
        entry.set("calls", op.calls);
        entry.set("seconds", op.seconds);
        entry.set("bytes", op.cost.bytes);
        entry.set("operations", op.cost.operations());
        entry.set("share_of_roof", share >= 0 ? Json(share) : Json());
        list.push(std::move(entry));
    }
    return list;
}

// A figure per second, in thousands of millions; nothing where there is none.
std::string rate(double amount, double seconds) {
    return amount > 0 && seconds > 0 ? fmt::format("{:.1f}", amount / seconds / 1e9) : "";
}

// Where one round's time went, most expensive first.
std::string profile_text(const Measurement& measurement, const MachineRoof& roof) {
    std::vector<OpTime> ops = measurement.profile;
    std::ranges::sort(ops, std::greater(), &OpTime::seconds);
    double total = 0, between = 0;
    for (const OpTime& op : ops) {
        total += op.seconds;
        if (op.cost.kind == OpKind::between) between += op.seconds;
    }
    std::string text = fmt::format(
        "\n{} at depth {}, one round of {:.1f} ms\n  {:<20} {:>7} {:>10} {:>6} {:>7} {:>8} {:>6}\n", measurement.test,
        measurement.depth, total * 1e3, "", "calls", "ms", "%", "GB/s", "Gop/s", "roof %");
    for (const OpTime& op : ops) {
        const double share = share_of_roof(op, roof);
        text +=
            fmt::format("  {:<20} {:>7} {:>10.2f} {:>6.1f} {:>7} {:>8} {:>6}\n", op.name, op.calls, op.seconds * 1e3,
                        100 * op.seconds / total, rate(op.cost.bytes, op.seconds),
                        rate(op.cost.operations(), op.seconds), share >= 0 ? fmt::format("{:.0f}", 100 * share) : "");
    }
    return text + fmt::format("  neither matrix, cache nor state: {:.1f} %\n", 100 * between / total);
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
    const int threads = engine.options().threads;
    machine.set("threads", threads > 0 ? threads : physical_cores_allowed());
    if (roof.read_bytes_per_second > 0) {
        machine.set("read_gb_per_second", roof.read_bytes_per_second / 1e9);
        machine.set("int8_gops", roof.int8_ops_per_second / 1e9);
        machine.set("f32_gops", roof.f32_ops_per_second / 1e9);
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
        if (!one.profile.empty()) entry.set("profile", profile_json(one.profile, roof));
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
        text += fmt::format("this machine reads {:.1f} GB/s and multiplies {:.0f} Gop/s in int8, {:.0f} in f32\n",
                            roof.read_bytes_per_second / 1e9, roof.int8_ops_per_second / 1e9,
                            roof.f32_ops_per_second / 1e9);
    text += fmt::format("{:<8} {:>7} {:>7} {:>6} {:>11} {:>19}\n", "test", "tokens", "depth", "batch", "tokens/s",
                        roof.read_bytes_per_second > 0 ? "share of the roof" : "");
    for (const Measurement& one : measurements)
        text +=
            fmt::format("{:<8} {:>7} {:>7} {:>6} {:>11.1f} {:>19}\n", one.test, one.tokens, one.depth, one.batch,
                        one.median(), one.share_of_roof >= 0 ? fmt::format("{:.0f} %", one.share_of_roof * 100) : "");
    for (const Measurement& one : measurements)
        if (!one.profile.empty()) text += profile_text(one, roof);
    return text;
}

}  // namespace hearth::cli
