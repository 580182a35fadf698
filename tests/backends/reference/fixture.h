#pragma once

#include "backends/op_cases.h"
#include "backends/reference/reference_ops.h"

namespace hearth::test {

inline constexpr double kEpsilon = 0x1p-24;  // half an ulp of a float: what one rounding costs

struct Reference {
    MemoryLedger ledger;
    std::unique_ptr<Backend> backend = make_reference_backend(ledger, false);
    Reference() { EXPECT_TRUE(backend->reserve_scratch(int64_t{64} << 20)); }
    Backend& operator*() { return *backend; }
};

}  // namespace hearth::test
