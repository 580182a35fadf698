// The frame of decoders whose layers all attend alike: equal heads in every layer, the whole past, one eps. Which
// queries and keys are turned, and how, and what follows attention stays in the family's file.
#pragma once

#include <string>
#include <vector>

#include "models/decoder.h"
#include "models/model.h"

namespace hearth {

class PlainDecoder : public Model {
public:
    std::vector<LayerNeeds> needs() const override {
        return {size_t(info_.layers), LayerNeeds{.kv = heads_.geometry(), .state_floats = {}}};
    }
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, eps_); }
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, eps_); }

protected:
    struct Attention {
        Qkv qkv;
        Weight output;
        Tensor norm;  // in front
    };

    // The sizes of everything, and what the file says about rotation.
    RopeConfig read_sizes(Source& file);
    Attention load_attention(Source& file, const std::string& blk) const;

    QueryKeyValue project_normed(Ops& ops, const Attention& w, Tensor x) const {
        return project(ops, w.qkv, ops.rms_norm(x, w.norm, eps_), heads_);
    }
    // Adds to x what attention gives.
    void attend(Ops& ops, const Attention& w, const QueryKeyValue& heads, Tensor x, const LayerState& state,
                const Step& step) const;

    Heads heads_;
    int64_t intermediate_size_ = 0;
    float eps_ = 0;
    Ends ends_;
};

}  // namespace hearth
