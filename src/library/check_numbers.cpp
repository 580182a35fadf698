#include "library/check_numbers.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/text_format.h"
#include "tensor/decode.h"

namespace hearth {

namespace {

constexpr int64_t kPieceElements = int64_t{1} << 16;  // a multiple of every block
constexpr size_t kMostNamed = 5;

}  // namespace

Result<> check_numbers(const Checkpoint& checkpoint, const std::function<bool(double)>& progress) {
    TRY(checkpoint.check_whole());
    int64_t total = 0, done = 0;
    for (const StoredTensor& tensor : checkpoint.tensors()) total += tensor.elements();
    std::vector<float> values(kPieceElements);
    std::vector<std::string> broken;
    for (const StoredTensor& tensor : checkpoint.tensors()) {
        const TensorBytes bytes = TRY(checkpoint.bytes(tensor));
        const int64_t elements = tensor.elements(), width = std::max<int64_t>(1, tensor.shape.back());
        int64_t bad = 0, first = 0;
        for (int64_t begin = 0; begin < elements; begin += kPieceElements) {
            const int64_t count = std::min(kPieceElements, elements - begin);
            decode(tensor.type, bytes.view().data() + row_bytes(tensor.type, begin), count, values.data());
            for (int64_t i = 0; i < count; ++i)
                if (!std::isfinite(values[size_t(i)]) && bad++ == 0) first = begin + i;
            done += count;
            if (progress && !progress(double(done) / double(total)))
                return fail(ErrorKind::cancelled, "checking the weights was interrupted");
        }
        checkpoint.release(tensor);
        if (bad > 0)
            broken.push_back(fmt::format("{} has {} (the first in row {}, column {})", valid_utf8(tensor.name), bad,
                                         first / width, first % width));
    }
    if (broken.empty()) return {};
    const size_t named = std::min(broken.size(), kMostNamed);
    std::string line =
        fmt::format("{} of {} tensors hold values that are no numbers: {}", broken.size(), checkpoint.tensors().size(),
                    fmt::join(broken.begin(), broken.begin() + ptrdiff_t(named), "; "));
    if (named < broken.size()) line += fmt::format("; and {} more", broken.size() - named);
    return fail(ErrorKind::bad_file, line, "download or convert the model again");
}

}  // namespace hearth
