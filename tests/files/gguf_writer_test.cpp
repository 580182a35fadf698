// What the writer writes, the reader reads; and a file that was not finished never gets its name.
#include "files/gguf_writer.h"

#include <signal.h>
#include <sys/resource.h>

#include <filesystem>

#include "base/rng.h"
#include "files/gguf.h"
#include "gguf_bytes.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

std::string path_for(const char* name) {
    return test::temporary_directory() + "/" + name;
}

std::vector<std::byte> random_bytes(size_t count, uint64_t seed) {
    Rng rng(seed);
    std::vector<std::byte> out(count);
    for (std::byte& byte : out) byte = std::byte(rng.next());
    return out;
}

TEST(GgufWriter, EveryTypeComesBack) {
    const std::string path = path_for("types.gguf");
    GgufWriter writer(path);
    writer.set_text("general.architecture", "toy");
    writer.set("u8", uint8_t{255});
    writer.set("i8", int8_t{-1});
    writer.set("u16", uint16_t{65535});
    writer.set("i16", int16_t{-2});
    writer.set("u32", uint32_t{7});
    writer.set("i32", int32_t{-3});
    writer.set("u64", ~uint64_t{0});
    writer.set("i64", INT64_MIN);
    writer.set("f32", 1e-5f);
    writer.set("f64", 0.1);
    writer.set("yes", true);
    writer.set("texts", MetadataValue::texts_of({"a", "", "\xC3\xA4"}));
    writer.set("floats", MetadataValue::of(std::vector<float>{1, 2.5f}));
    writer.set("ints", MetadataValue::of(std::vector<int32_t>{-1, 5}));
    writer.set("longs", MetadataValue::of(std::vector<uint64_t>{1, ~uint64_t{0}}));
    const bool flags[] = {true, false};
    writer.set("flags", MetadataValue::of(std::span<const bool>(flags)));
    writer.set("empty", MetadataValue::of(std::vector<uint8_t>{}));
    writer.set("u32", uint32_t{8});  // replaces, keeps its place
    ASSERT_TRUE(writer.start());
    ASSERT_TRUE(writer.finish());
    const auto opened = open_gguf(path);
    ASSERT_TRUE(opened) << opened.error().line();
    EXPECT_EQ(opened->metadata().to_json().dump(),
              R"({"general.architecture":"toy","u8":255,"i8":-1,"u16":65535,"i16":-2,"u32":8,"i32":-3,)"
              R"("u64":18446744073709551615,"i64":-9223372036854775808,"f32":1e-05,"f64":0.1,"yes":true,)"
              "\"texts\":[\"a\",\"\",\"\xC3\xA4\"],"
              R"("floats":[1,2.5],"ints":[-1,5],"longs":[1,18446744073709551615],"flags":[true,false],"empty":[]})");
    const char* types[] = {"string", "u8",  "i8",   "u16",       "i16",    "u32",    "i32",    "u64",     "i64",
                           "f32",    "f64", "bool", "string[3]", "f32[2]", "i32[2]", "u64[2]", "bool[2]", "u8[0]"};
    ASSERT_EQ(opened->metadata().entries().size(), std::size(types));
    for (size_t i = 0; i < std::size(types); ++i)
        EXPECT_EQ(opened->metadata().entries()[i].value.type_text(), types[i]);
    EXPECT_EQ(opened->format().version, 3u);
    EXPECT_EQ(opened->format().total_bytes, writer.file_bytes());
}

TEST(GgufWriter, TensorsInPiecesOfAnySize) {
    for (const uint32_t alignment : {32u, 1u, 64u, 4096u})
        for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}, SIZE_MAX}) {
            const std::string path = path_for("pieces.gguf");
            GgufWriter writer(path);
            writer.set("general.alignment", alignment);
            const std::pair<DType, std::vector<int64_t>> tensors[] = {
                {DType::q8_0, {3, 64}},     {DType::f32, {5}}, {DType::i8, {0}},
                {DType::q6_k, {2, 1, 256}}, {DType::i8, {1}},  {DType::f16, {0, 4}}};
            for (size_t i = 0; i < std::size(tensors); ++i)
                writer.declare(fmt::format("t{}", i), tensors[i].first, tensors[i].second);
            ASSERT_TRUE(writer.start());
            EXPECT_FALSE(fs::exists(path));
            std::vector<std::vector<std::byte>> contents;
            for (size_t i = 0; i < std::size(tensors); ++i) {
                int64_t elements = 1;
                for (const int64_t size : tensors[i].second) elements *= size;
                contents.push_back(random_bytes(size_t(row_bytes(tensors[i].first, elements)), i));
                std::span<const std::byte> rest = contents.back();
                while (!rest.empty()) {
                    ASSERT_EQ(writer.current_tensor(), i);
                    const size_t now = std::min(piece, rest.size());
                    ASSERT_TRUE(writer.write(rest.first(now)));
                    rest = rest.subspan(now);
                }
            }
            ASSERT_TRUE(writer.finish());
            const auto opened = open_gguf(path);
            ASSERT_TRUE(opened) << opened.error().line();
            EXPECT_EQ(opened->format().alignment, alignment);
            EXPECT_EQ(fs::file_size(path), writer.file_bytes());
            for (size_t i = 0; i < std::size(tensors); ++i) {
                const StoredTensor& tensor = opened->tensors()[i];
                EXPECT_EQ(tensor.shape, tensors[i].second);
                EXPECT_EQ(tensor.type, tensors[i].first);
                EXPECT_TRUE(std::ranges::equal(tensor.data, contents[i])) << i;
            }
            EXPECT_FALSE(fs::exists(path + ".part"));
            fs::remove(path);
        }
}

// The reference file, read and written again, is the same file but for what the original leaves open.
TEST(GgufWriter, ACopyOfARecordedFileIsThatFile) {
    NEED_SHARED("reference/gguf/small.gguf");
    for (const char* name : {"small.gguf", "small-align64.gguf", "imatrix-moe.gguf"}) {
        const std::string source = test::shared_path(std::string("reference/gguf/") + name),
                          path = path_for("copy.gguf");
        const auto opened = open_gguf(source);
        ASSERT_TRUE(opened);
        GgufWriter writer(path);
        for (const auto& [key, value] : opened->metadata().entries()) writer.set(key, value);
        for (const StoredTensor& tensor : opened->tensors()) writer.declare(tensor.name, tensor.type, tensor.shape);
        ASSERT_TRUE(writer.start());
        for (const StoredTensor& tensor : opened->tensors()) ASSERT_TRUE(writer.write(tensor.data));
        ASSERT_TRUE(writer.finish());
        EXPECT_EQ(test::read_bytes(path), test::read_bytes(source)) << name;
    }
}

TEST(GgufWriter, ProblemsOfTheDeclarationsComeTogether) {
    GgufWriter writer(path_for("bad.gguf"));
    writer.set("general.alignment", uint32_t{33});
    writer.declare("a", DType::f32, {2});
    writer.declare("a", DType::f32, {2});
    writer.declare("", DType::f32, {2});
    writer.declare(std::string(64, 'n'), DType::f32, {2});
    writer.declare("rows", DType::q4_k, {4, 128});
    writer.declare("flat", DType::f32, {});
    writer.declare("deep", DType::f32, {1, 1, 1, 1, 1});
    writer.declare("huge", DType::f32, {INT64_MAX, 2});
    writer.declare("negative", DType::f32, {-1});
    const auto started = writer.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().kind, ErrorKind::bad_request);
    const std::string said = started.error().line();
    for (const char* words : {"has 9 problems", "power of two", "'a' is declared twice", "name of 0 bytes",
                              "name of 64 bytes", "rows of 128 values", "'flat' has 0 dimensions",
                              "'deep' has 5 dimensions", "'huge' has absurd", "'negative' has absurd"})
        EXPECT_NE(said.find(words), std::string::npos) << words << " in " << said;
    EXPECT_FALSE(fs::exists(path_for("bad.gguf.part")));
}

TEST(GgufWriter, UnfinishedFilesDisappear) {
    const std::string path = path_for("gone.gguf");
    const auto started = [&] {
        GgufWriter writer(path);
        writer.declare("t", DType::f32, {4});
        EXPECT_TRUE(writer.start());
        EXPECT_TRUE(fs::exists(path + ".part"));
        return writer;
    };
    const auto nothing_left = [&] { return !fs::exists(path) && !fs::exists(path + ".part"); };
    { GgufWriter dropped = started(); }
    EXPECT_TRUE(nothing_left());

    GgufWriter short_of = started();
    ASSERT_TRUE(short_of.write(random_bytes(15, 1)));
    const auto finished = short_of.finish();
    ASSERT_FALSE(finished);
    EXPECT_NE(finished.error().line().find("'t' got 15 of its 16 bytes"), std::string::npos) << finished.error().line();
    EXPECT_TRUE(nothing_left());

    GgufWriter beyond = started();
    const auto written = beyond.write(random_bytes(17, 1));
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().line().find("1 bytes too many for tensor 't'"), std::string::npos)
        << written.error().line();
    EXPECT_TRUE(nothing_left());
    EXPECT_FALSE(beyond.write(random_bytes(1, 1)));
    EXPECT_FALSE(beyond.finish());
}

TEST(GgufWriter, AnExistingFileStaysUntilTheNewOneIsWhole) {
    const std::string path = test::write_file("kept.gguf", "old");
    {
        GgufWriter writer(path);
        ASSERT_TRUE(writer.start());
    }
    EXPECT_EQ(test::read_text(path), "old");
    GgufWriter writer(path);
    ASSERT_TRUE(writer.start());
    ASSERT_TRUE(writer.finish());
    EXPECT_TRUE(open_gguf(path));
}

TEST(GgufWriter, RefusedByTheSystem) {
    GgufWriter nowhere("/nonexistent/x.gguf");
    const auto started = nowhere.start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().line().find("cannot create /nonexistent/x.gguf"), std::string::npos)
        << started.error().line();

    // A full disk, imitated by a limit on the size of files: the third megabyte fails.
    const std::string path = path_for("full.gguf");
    rlimit limit{}, small{};
    getrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    GgufWriter writer(path);
    writer.declare("t", DType::i8, {1 << 23});
    ASSERT_TRUE(writer.start());
    small = limit;
    small.rlim_cur = 1 << 21;
    setrlimit(RLIMIT_FSIZE, &small);
    const auto bytes = random_bytes(1 << 20, 3);
    int good = 0;
    while (good < 8 && writer.write(bytes)) ++good;
    const auto finished = writer.finish();
    setrlimit(RLIMIT_FSIZE, &limit);
    EXPECT_LT(good, 4);
    EXPECT_FALSE(finished);
    EXPECT_FALSE(fs::exists(path));
    EXPECT_FALSE(fs::exists(path + ".part"));
}

}  // namespace
}  // namespace hearth
