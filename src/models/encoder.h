// What BERT and its heirs have in common around their layers: they read a text both ways in one pass and write none.
#pragma once

#include <vector>

#include "models/model.h"
#include "models/source.h"

namespace hearth {

class Encoder : public Model {
public:
    std::vector<LayerNeeds> needs() const override {
        const KvGeometry geometry{num_heads_, head_dim_, head_dim_};
        return {size_t(info_.layers), LayerNeeds{.kv = geometry, .state_floats = {}}};
    }
    Tensor head(Ops&, Tensor) const override { return {}; }

protected:
    void read_sizes(Source& file);

    int64_t hidden_size_ = 1, intermediate_size_ = 1, num_heads_ = 1, head_dim_ = 1;
    float eps_ = 0;
};

}  // namespace hearth
