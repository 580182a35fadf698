#include "imatrix_check.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>

#include "library/imatrix.h"
#include "promise.h"

namespace hearth {

std::string check_imatrix(std::span<const std::byte> bytes) {
    const int fd = memfd_create("imatrix", MFD_CLOEXEC);
    promise(fd >= 0 && write(fd, bytes.data(), bytes.size()) == ssize_t(bytes.size()), "a memory file can be made");
    const auto matrix = read_imatrix("/proc/self/fd/" + std::to_string(fd));
    close(fd);
    if (!matrix) {
        promise(!matrix.error().what.empty(), "a refusal has words");
        return matrix.error().line();
    }
    promise(!matrix->importance.empty(), "an accepted matrix says something");
    size_t values = 0;
    for (const auto& [name, means] : matrix->importance) {
        promise(matrix->find(name) == &means, "every weight is found");
        promise(!means.empty(), "every weight has columns");
        for (const float mean : means) promise(std::isfinite(mean) && mean >= 0, "means are finite and not negative");
        values += means.size();
    }
    promise(values * sizeof(float) <= bytes.size(), "no more comes out than lies in the file");
    return {};
}

}  // namespace hearth
