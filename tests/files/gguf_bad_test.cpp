// Files that are wrong: each refusal names what, every problem is in the one report, and no claim in a file costs
// memory.
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "files/gguf.h"
#include "gguf_bytes.h"
#include "gguf_check.h"

namespace {
std::atomic<size_t> allocated_bytes{0};
}
// Counts what is asked for, freed or not.
[[gnu::noinline]] void* operator new(size_t size) {
    allocated_bytes += size;
    if (void* at = std::malloc(size ? size : 1)) return at;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* at) noexcept {
    std::free(at);
}
[[gnu::noinline]] void operator delete(void* at, size_t) noexcept {
    std::free(at);
}

namespace hearth {
namespace {

using test::Bytes;
using test::gguf_front;

std::string refusal(const std::string& bytes) {
    return check_gguf(std::as_bytes(std::span(bytes)));
}
std::string refusal(const Bytes& bytes) {
    return refusal(bytes.text());
}

#define EXPECT_SAYS(bytes, words)                               \
    do {                                                        \
        const std::string said = refusal(bytes);                \
        EXPECT_NE(said.find(words), std::string::npos) << said; \
    } while (0)

TEST(BadGguf, WhatIsNotGgufAtAll) {
    EXPECT_SAYS("", "is empty");
    EXPECT_SAYS("GG", "does not begin with");
    EXPECT_SAYS("<!doctype html>", "web page");
    EXPECT_SAYS("version https://git-lfs.github.com/spec/v1", "git lfs pull");
    EXPECT_SAYS(std::string("PK\3\4") + std::string(40, 'x'), "ZIP");
    EXPECT_SAYS(std::string("tjgg") + std::string(40, 'x'), "before GGUF");
    EXPECT_SAYS(std::string("\x40\0\0\0\0\0\0\0{\"a\":1}", 15), "safetensors");
    EXPECT_FALSE(open_gguf("/nonexistent/x.gguf"));
    EXPECT_EQ(open_gguf("/nonexistent/x.gguf").error().kind, ErrorKind::not_found);
    EXPECT_NE(open_gguf("/tmp").error().what.find("directory"), std::string::npos);
}

TEST(BadGguf, VersionsAndByteOrder) {
    EXPECT_SAYS(gguf_front(0, 0, 1), "version 1");
    EXPECT_SAYS(gguf_front(0, 0, 4), "version 4, this build knows 2 and 3; use a newer hearth");
    EXPECT_SAYS(gguf_front(0, 0, 0), "version 0");
    EXPECT_SAYS(gguf_front(0, 0, 0x03000000), "big-endian");
    const std::string path = test::write_file("big.gguf", gguf_front(0, 0, 0x03000000).text());
    EXPECT_EQ(open_gguf(path).error().kind, ErrorKind::unsupported);
}

TEST(BadGguf, ClaimsThatTheFileCannotHold) {
    EXPECT_SAYS(gguf_front(uint64_t{1} << 60, 0), "claims 1152921504606846976 tensors");
    EXPECT_SAYS(gguf_front(0, 5), "claims 5 metadata keys");
    Bytes array = gguf_front(0, 1);
    array.key("k", 9).put(uint32_t{4}).put(uint64_t{1} << 62);
    EXPECT_SAYS(array, "array of 4611686018427387904 elements");
    Bytes texts = gguf_front(0, 1);
    texts.key("k", 9).put(uint32_t{8}).put(uint64_t{1} << 29).zeros(100);
    EXPECT_SAYS(texts, "array of 536870912 texts");
    Bytes text = gguf_front(0, 1);
    text.key("k", 8).put(~uint64_t{0}).zeros(100);
    EXPECT_SAYS(text, "18446744073709551615 bytes");
    Bytes key = gguf_front(0, 1);
    key.put(uint64_t{70000}).zeros(80000);
    EXPECT_SAYS(key, "at most 65535");
    Bytes sizes = gguf_front(1, 0);
    sizes.str("t").put(uint32_t{4000000}).zeros(100);
    EXPECT_SAYS(sizes, "'t' claims 4000000 dimensions");
}

TEST(BadGguf, TypesOfValues) {
    Bytes type = gguf_front(0, 1);
    type.key("k", 13).zeros(100);
    EXPECT_SAYS(type, "'k' has the unknown type 13");
    Bytes nested = gguf_front(0, 1);
    nested.key("k", 9).put(uint32_t{9}).put(uint64_t{1}).zeros(100);
    EXPECT_SAYS(nested, "array of arrays");
    Bytes element = gguf_front(0, 1);
    element.key("k", 9).put(uint32_t{99}).put(uint64_t{1}).zeros(100);
    EXPECT_SAYS(element, "unknown type 99");
}

std::string one_tensor(std::vector<uint64_t> sizes, uint32_t type, uint64_t offset, size_t data) {
    Bytes file = gguf_front(1, 0);
    file.tensor("t", std::move(sizes), type, offset).align(32).zeros(data);
    return refusal(file);
}

TEST(BadGguf, Tensors) {
    const auto says = [](const std::string& said, const char* words) {
        EXPECT_NE(said.find(words), std::string::npos) << said;
    };
    EXPECT_EQ(one_tensor({8}, 0, 0, 32), "");
    EXPECT_EQ(one_tensor({0}, 0, 0, 0), "");  // nothing in it is not wrong
    says(one_tensor({8}, 0, 0, 31), "reach beyond the end");
    says(one_tensor({8}, 0, 16, 64), "not a multiple of the alignment 32");
    says(one_tensor({8}, 0, uint64_t{1} << 40, 32), "reach beyond the end");
    says(one_tensor({8}, 0, ~uint64_t{0} - 31, 32), "absurd offset");
    says(one_tensor({uint64_t{1} << 63}, 24, 0, 32), "absurd dimensions");
    says(one_tensor({uint64_t{1} << 32, uint64_t{1} << 31}, 24, 0, 32), "absurd dimensions");
    says(one_tensor({0, uint64_t{1} << 48, uint64_t{1} << 48}, 0, 0, 32), "absurd dimensions");  // also beside a zero
    says(one_tensor({uint64_t{1} << 61, 2, 1}, 0, 0, 32), "absurd dimensions");  // elements fit 63 bits, bytes do not
    says(one_tensor({33}, 8, 0, 64), "rows of 33 values, q8_0 needs multiples of 32");
    says(one_tensor({128, 2}, 12, 0, 1000), "q4_k needs multiples of 256");
    says(one_tensor({32}, 4, 0, 64), "retired type 4: download a newer version");
    says(one_tensor({32}, 99, 0, 64), "type 99, which this build does not know");
}

TEST(BadGguf, AllProblemsInOneReport) {
    Bytes file = gguf_front(5, 4);
    file.key("general.alignment", 4).put(uint32_t{32});
    file.key("twice", 0).put(uint8_t{1}).key("twice", 1).put(int8_t{1}).key("", 0).put(uint8_t{0});
    file.tensor("a", {8}, 0, 0).tensor("a", {8}, 0, 0).tensor("odd", {5}, 8, 64).tensor("old", {32}, 37, 96);
    file.tensor("far", {8}, 0, 1024).align(32).zeros(200);
    const std::string said = refusal(file);
    for (const char* words : {"has 7 problems", "'twice' appears more than once", "key 4 of 4 has no name",
                              "tensor 'a' appears more than once", "'a' and 'a' overlap", "'odd' has rows of 5",
                              "'old' has the retired type 37", "1 of 5 tensors reach beyond", "download it again"})
        EXPECT_NE(said.find(words), std::string::npos) << words << " in " << said;
}

TEST(BadGguf, LongReportsAreCut) {
    Bytes file = gguf_front(50, 0);
    for (int i = 0; i < 50; ++i) file.tensor(fmt::format("t{}", i), {8}, 5, 0);
    file.align(32).zeros(32);
    const std::string said = refusal(file);
    EXPECT_NE(said.find("has 50 problems"), std::string::npos) << said;
    EXPECT_NE(said.find("'t19'"), std::string::npos) << said;
    EXPECT_EQ(said.find("'t20'"), std::string::npos) << said;
    EXPECT_NE(said.find("and 30 more"), std::string::npos) << said;
}

TEST(BadGguf, Alignment) {
    const auto aligned = [](uint32_t alignment) {
        Bytes file = gguf_front(1, 1);
        file.key("general.alignment", 4).put(alignment).tensor("t", {8}, 0, 0).align(32).zeros(32);
        return refusal(file);
    };
    EXPECT_EQ(aligned(32), "");
    EXPECT_EQ(aligned(1), "");
    for (const uint32_t alignment : {0u, 3u, 48u, 0xFFFFFFFFu})
        EXPECT_NE(aligned(alignment).find("must be a power of two"), std::string::npos) << alignment;
    Bytes text = gguf_front(0, 1);
    text.key("general.alignment", 8).str("32");
    EXPECT_SAYS(text, "general.alignment is \"32\"");
}

TEST(BadGguf, NamesFromTheFileAreSafeToPrint) {
    Bytes file = gguf_front(1, 0);
    file.tensor("\x1b[31m\xff\n", {8}, 99, 0).align(32).zeros(32);
    const std::string said = refusal(file);
    EXPECT_EQ(said.find('\x1b'), std::string::npos);
    EXPECT_EQ(said.find('\n'), std::string::npos);
    EXPECT_NE(said.find("\xEF\xBF\xBD"), std::string::npos) << said;
}

TEST(BadGguf, EveryTruncationIsRefused) {
    const std::string whole = test::small_valid_file();
    ASSERT_EQ(refusal(whole), "");
    for (size_t size = 0; size < whole.size(); ++size) ASSERT_NE(refusal(whole.substr(0, size)), "") << size;
}

TEST(BadGguf, EveryDamagedByteIsSurvived) {
    const std::string whole = test::small_valid_file();
    size_t refused = 0, survived = 0;
    for (size_t at = 0; at < whole.size(); ++at) {
        std::vector<uint8_t> values = {0, 0xFF, uint8_t(whole[at] + 1), uint8_t(whole[at] - 1)};
        for (int bit = 0; bit < 8; ++bit) values.push_back(uint8_t(whole[at] ^ 1 << bit));
        for (const uint8_t value : values) {
            std::string damaged = whole;
            damaged[at] = char(value);
            ++(refusal(damaged).empty() ? survived : refused);  // check_gguf uses what it accepts
        }
    }
    EXPECT_GT(refused, 1000u);
    EXPECT_GT(survived, 1000u);
}

TEST(BadGguf, ClaimsCostNoMemory) {
    // Every eight bytes of the header replaced by large counts: at most about 200 bytes are asked for per byte of file,
    // mostly names and messages of a file this small.
    const std::string whole = test::small_valid_file();
    const int fd = memfd_create("claims", MFD_CLOEXEC);
    const std::string path = fmt::format("/proc/self/fd/{}", fd);
    for (size_t at = 8; at + 8 <= whole.size(); ++at)
        for (const uint64_t claim :
             {uint64_t{1} << 20, uint64_t{1} << 28, uint64_t{1} << 33, uint64_t{1} << 62, ~uint64_t{0}}) {
            std::string damaged = whole;
            std::memcpy(damaged.data() + at, &claim, 8);
            ASSERT_EQ(pwrite(fd, damaged.data(), damaged.size(), 0), ssize_t(damaged.size()));
            const size_t before = allocated_bytes;
            { const auto opened = open_gguf(path); }
            ASSERT_LT(allocated_bytes - before, 200 * whole.size()) << at << " " << claim;
        }
    close(fd);
}

}  // namespace
}  // namespace hearth
