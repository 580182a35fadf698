#include "backends/reference/reference_ops.h"

namespace hearth {

namespace {
class ReferenceBackend final : public HostBackend {
public:
    ReferenceBackend(MemoryLedger& ledger, bool planning) : HostBackend(ledger, planning), ops_(arena()) {}
    std::string describe() const override { return "reference, 1 thread"; }
    Ops& ops() override { return ops_; }

private:
    ReferenceOps ops_;
};
}  // namespace

std::unique_ptr<Backend> make_reference_backend(MemoryLedger& ledger, bool planning) {
    return std::make_unique<ReferenceBackend>(ledger, planning);
}

}  // namespace hearth
