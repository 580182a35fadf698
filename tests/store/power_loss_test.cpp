// The power goes: at any moment of the store's life, with any part of what was not synced yet lost or torn. What was
// acknowledged before is there, nothing is there by half, and the store goes on.
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "recorded_disk.h"
#include "store/audit.h"
#include "store_support.h"

namespace {
std::map<std::string, int64_t>& synced_sizes() {
    static std::map<std::string, int64_t> sizes;
    return sizes;
}
}  // namespace

// In place of the C library's: notes what was synced, and how long it was then.
extern "C" int fsync(int file) {
    struct stat info {};
    std::error_code failed;
    const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), failed);
    if (!failed && fstat(file, &info) == 0) synced_sizes()[path] = info.st_size;
    return int(syscall(SYS_fsync, file));
}

namespace hearth::store {
namespace {

namespace fs = std::filesystem;
using test::DiskCall;
using test::DiskFiles;
using test::RecordedDisk;

bool is_long() {
    return std::getenv("HEARTH_LONG") != nullptr;
}

const std::vector<std::string> kResponseIds{"resp_a", "resp_b", "resp_c", "resp_d"};

// All that a store tells, as one text.
std::string content_of(Store& store) {
    std::string text;
    const auto list = store.conversations().list(1000);
    if (!list) return list.error().line();
    for (const ConversationSummary& entry : *list) {
        const auto one = store.conversations().load(entry.id);
        if (!one) return one.error().line();
        text += fmt::format("conversation {} {} {} {} {}\n", one->id, one->title, one->revision, one->settings.dump(),
                            one->messages.dump());
    }
    for (const std::string& id : kResponseIds)
        if (const auto one = store.responses().get(id, "", kNow); one)
            text +=
                fmt::format("response {} {} {} {}\n", id, one->expires_ms, one->body.dump(), one->input_items.dump());
        else if (one.error().kind != ErrorKind::not_found)
            return one.error().line();
    const auto keys = store.keys().list();
    if (!keys) return keys.error().line();
    for (const ApiKey& key : *keys)
        text += fmt::format("key {} {} {} {}\n", key.id, key.name, key.last_used_ms, key.revoked_ms);
    return text;
}

StoredResponse response(const std::string& id, size_t bytes, int64_t expires_ms = 0) {
    StoredResponse made;
    made.id = id;
    made.created_ms = kNow;
    made.expires_ms = expires_ms;
    made.body = Json::Object{{"id", id}, {"text", std::string(bytes, 'r')}};
    made.input_items.push(message("user", "question of " + id));
    return made;
}

// What a store did while its disk was recorded, and what it held behind each of the calls that were acknowledged.
struct Recording {
    struct State {
        size_t calls;  // so many had been made when it was acknowledged
        std::string content;
    };
    DiskFiles before;
    std::vector<DiskCall> calls;
    std::vector<State> states;

    // The power went behind so many calls: the state acknowledged last, and the one that was on its way.
    std::set<std::string> allowed(size_t count) const {
        std::set<std::string> contents;
        for (const State& state : states) {
            if (state.calls <= count) contents.clear();
            contents.insert(state.content);
            if (state.calls > count) break;
        }
        return contents;
    }
};

class Workload {
public:
    Workload(std::string folder, bool has_shared_memory)
        : folder_(std::move(folder)), disk_(folder_, has_shared_memory) {
        fs::create_directories(folder_);
        recording_.states.push_back({0, ""});
    }

    Recording run() {
        make();
        change();
        forget();
        recording_.calls = disk_.calls();
        return std::move(recording_);
    }

private:
    using Action = std::function<Result<>(Store&)>;

    // One life of a program: opens the store, does all that, and ends.
    void live(const std::vector<Action>& actions) {
        auto store = Store::open(folder_);
        ASSERT_TRUE(store) << line_of(store);
        acknowledged(*store);
        for (const Action& action : actions) {
            const auto done = action(*store);
            ASSERT_TRUE(done) << line_of(done);
            acknowledged(*store);
        }
    }
    void acknowledged(Store& store) { recording_.states.push_back({disk_.calls().size(), content_of(store)}); }

    void make() {
        live({[&](Store& store) { return store.conversations().save(first_, kNow); },
              [&](Store& store) { return store.conversations().save(large_, kNow + 1000); },
              [&](Store& store) -> Result<> {
                  key_ = TRY(store.keys().add({.name = "laptop"}, kNow)).key;
                  return {};
              },
              [&](Store& store) { return store.responses().put(response("resp_a", 100)); },
              [&](Store& store) { return store.responses().put(response("resp_b", 20000, kNow + 1000)); }});
    }
    void change() {
        live({[&](Store& store) {
                  first_.messages.push(message("user", std::string(9000, 'n')));
                  return store.conversations().save(first_, kNow + 2000);
              },
              [&](Store& store) { return store.keys().note_use(key_, kNow + 3000); },
              [&](Store& store) { return store.responses().put(response("resp_a", 30000)); },
              [&](Store& store) { return store.conversations().remove(large_.id); },
              [&](Store& store) { return store.responses().put(response("resp_c", 50)); },
              [&](Store& store) { return store.responses().remove("resp_a", "", kNow); },
              [&](Store& store) { return store.keys().revoke(key_.id, kNow + 4000); }});
    }
    void forget() {
        live({[&](Store& store) { return store.conversations().save(second_, kNow + 5000); },
              [&](Store& store) -> Result<> {
                  TRY(store.responses().purge_expired(kNow + 2000));
                  return {};
              },
              [&](Store& store) { return store.conversations().remove_all(); },
              [&](Store& store) { return store.responses().put(response("resp_d", 5000)); }});
    }

    const std::string folder_;
    RecordedDisk disk_;
    Recording recording_;
    Conversation first_ = dialogue("first"), large_ = dialogue(std::string(60000, 'l')), second_ = dialogue("second");
    ApiKey key_;
};

void lay_out(const std::string& folder, const DiskFiles& files, Rng& rng) {
    fs::remove_all(folder);
    fs::create_directories(folder);
    for (const auto& [name, bytes] : files) std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
    // Shared memory is not synced at all: whatever lies there means nothing.
    if (rng.below(3) == 0) {
        std::string junk(32768, '\0');
        for (char& byte : junk) byte = char(rng.next());
        std::ofstream(folder + "/hearth.db-shm", std::ios::binary) << junk;
    }
}

// A store over what was left: what it holds, or what is wrong with it.
std::string content_after(const std::string& folder) {
    auto store = Store::open(folder);
    if (!store) return "cannot be opened: " + store.error().line();
    if (const auto checked = store->check(); !checked) return "is damaged: " + checked.error().line();
    std::string content = content_of(*store);
    Conversation more = dialogue("and on it goes");
    if (const auto saved = store->conversations().save(more, kNow + 9000); !saved)
        return "cannot go on: " + saved.error().line();
    if (const auto removed = store->conversations().remove(more.id); !removed)
        return "cannot go on: " + removed.error().line();
    return content;
}

std::string shortened(const std::set<std::string>& contents) {
    std::string text;
    for (std::string content : contents) {
        for (size_t at = 0; (at = content.find_first_of("lnr", at)) != std::string::npos; ++at)
            if (const size_t end = content.find_first_not_of(content[at], at);
                end != std::string::npos && end - at > 20)
                content.replace(at, end - at, "...");
        text += "{" + content + "}\n";
    }
    return text;
}

void expect_survives(const Recording& recording, size_t count, uint64_t seed, bool has_shared_memory) {
    const std::string folder = test::temporary_directory() + "/after";
    Rng rng(seed * 1000003 + count);
    const std::set<std::string> allowed = recording.allowed(count);
    lay_out(folder, remains(recording.before, recording.calls, count, rng), rng);
    const std::string where = fmt::format("the power went behind call {} of {}, seed {}, {}", count,
                                          recording.calls.size(), seed, has_shared_memory ? "log" : "journal");
    // It goes once more while the store recovers; what that leaves must do as well.
    std::vector<DiskCall> recovery;
    const DiskFiles left = test::files_of(folder);
    std::string content;
    {
        const RecordedDisk disk(folder, has_shared_memory);
        {
            auto store = Store::open(folder);
            EXPECT_TRUE(store) << where << ": " << line_of(store);
        }
        recovery = disk.calls();
    }
    lay_out(folder, remains(left, recovery, rng.below(recovery.size() + 1), rng), rng);
    {
        const RecordedDisk disk(folder, has_shared_memory);
        content = content_after(folder);
    }
    EXPECT_TRUE(allowed.contains(content)) << where << ": " << shortened({content}) << "instead of one of\n"
                                           << shortened(allowed);
}

class PowerLossOfStore : public testing::TestWithParam<bool> {};

// Both ways in which SQLite keeps a transaction whole: the log, and where there can be none the journal.
TEST_P(PowerLossOfStore, KeepsWhatWasAcknowledgedAndNothingByHalf) {
    const Recording recording = Workload(fresh_folder(), GetParam()).run();
    if (HasFatalFailure()) return;
    const size_t calls = recording.calls.size();
    ASSERT_GT(calls, 100u);
    ASSERT_EQ(recording.states.size(), 20u);
    Rng rng(7);
    const uint64_t seeds = is_long() ? 6 : 1;
    for (uint64_t seed = 0; seed < seeds && !HasFailure(); ++seed)
        for (size_t count = 0; count <= calls && !HasFailure(); ++count)
            if (is_long() || rng.below(calls) < 250) expect_survives(recording, count, seed, GetParam());
}

// The moment behind each acknowledgement is the one that matters most.
TEST_P(PowerLossOfStore, KeepsWhatWasAcknowledgedJustBefore) {
    const Recording recording = Workload(fresh_folder(), GetParam()).run();
    if (HasFatalFailure()) return;
    for (const Recording::State& state : recording.states)
        for (uint64_t seed = 100; seed < 106 && !HasFailure(); ++seed)
            expect_survives(recording, state.calls, seed, GetParam());
}

// A path is synced where its size, or any name in it, was as now when fsync() was last called for it.
bool is_synced(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    const auto last = synced_sizes().find(fs::canonical(path));
    return last != synced_sizes().end() && (fs::is_directory(path) || last->second == info.st_size);
}

TEST(PowerLoss, SparesTheNamesOfFoldersAndFiles) {
    const std::string above = fresh_folder(), folder = above + "/below/data";
    fs::create_directories(above);
    synced_sizes().clear();
    ASSERT_TRUE(Store::open(folder));
    for (const std::string& path : {above, above + "/below", folder}) EXPECT_TRUE(is_synced(path)) << path;
    synced_sizes().clear();
    ASSERT_TRUE(AuditLog::open(folder));
    EXPECT_TRUE(is_synced(folder));
}

// A line is one write; when the power goes before its sync, any part of it may be there.
TEST(PowerLoss, OnlyCutsALineOfTheAuditLogThatWasOnItsWay) {
    const std::string folder = fresh_folder(), path = folder + "/audit.log";
    const auto append = [&](int64_t number) {
        auto log = AuditLog::open(folder);
        EXPECT_TRUE(log) << line_of(log);
        const auto done = log->append("cli", "key.add", Json::Object{{"number", number}}, kNow);
        EXPECT_TRUE(done) << line_of(done);
        EXPECT_TRUE(is_synced(path));
    };
    append(0);
    append(1);
    const std::string acknowledged = test::read_text(path);
    append(2);
    const std::string all = test::read_text(path);
    for (size_t arrived = acknowledged.size(); arrived <= all.size(); ++arrived)
        for (const bool has_length : {false, true}) {
            std::string left = all.substr(0, arrived);
            if (has_length) left.resize(all.size(), '\0');
            std::ofstream(path, std::ios::binary | std::ios::trunc) << left;
            append(3);
            std::multiset<int64_t> numbers;
            int broken = 0;
            for (const std::string& line : test::read_lines(path))
                if (const auto entry = Json::parse(line))
                    numbers.insert(entry->find("number")->as_int());
                else
                    ++broken;
            EXPECT_TRUE(numbers.count(0) == 1 && numbers.count(1) == 1 && numbers.count(3) == 1) << arrived;
            EXPECT_LE(broken, 1) << arrived;
        }
}

INSTANTIATE_TEST_SUITE_P(Sqlite, PowerLossOfStore, testing::Values(true, false),
                         [](const auto& way) { return std::string(way.param ? "WithLog" : "WithJournal"); });

}  // namespace
}  // namespace hearth::store
