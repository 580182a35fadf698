// The tensors of a Hugging Face directory under one spelling of their names, readable as numbers whether they are
// stored plainly or in one of the published quantised layouts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "files/safetensors.h"
#include "huggingface/config.h"
#include "huggingface/quantised/layout.h"
#include "huggingface/values.h"

namespace hearth::huggingface {

class Tensors {
public:
    // `prefixes`: what different releases put in front of the same names ("model.language_model."); the first that fits
    // is cut off. Two tensors that become the same name are a problem of `config`.
    Tensors(std::shared_ptr<const Safetensors> files, std::span<const std::string_view> prefixes, Config& config);

    // There is such a tensor, plainly or as a quantised layout that stands for it.
    bool has(const std::string& name) const;
    // Its shape as numbers; nothing when it is absent or cannot be read. Does not count as use.
    std::optional<std::vector<int64_t>> shape(const std::string& name) const;
    // Its values; nullptr when it is absent, or stored in a way that cannot be read (then a problem of `config`).
    ValuesPtr open(const std::string& name, Config& config);
    const RawTensor* raw(const std::string& name) const;  // as stored
    ValuesPtr open_raw(const std::string& name);          // a plainly stored float tensor, else nullptr
    void mark_used(const std::string& name) { used_.insert_or_assign(name, true); }

    // Names nobody opened, as the files spell them.
    std::vector<std::string> unused() const;
    std::vector<std::string> names() const;  // the short spelling
    const std::string& long_name(const std::string& name) const;

    const std::shared_ptr<const Safetensors>& files() const { return files_; }
    const Quantisation& quantisation() const { return quantisation_; }
    // How many of the opened tensors were stored in which layout.
    const std::map<std::string_view, int64_t>& quantised() const { return quantised_; }

private:
    struct Entry {
        const RawTensor* tensor;
        std::string long_name;
    };
    std::shared_ptr<const Safetensors> files_;
    std::map<std::string, Entry, std::less<>> entries_;
    std::map<std::string, bool> used_;
    Quantisation quantisation_;
    std::map<std::string_view, int64_t> quantised_;
};

// A plainly stored tensor as Values; nullptr for types that are no floats.
ValuesPtr plain_values(std::shared_ptr<const Safetensors> files, const RawTensor& tensor);
// One element of a raw tensor of any real type, as float.
float raw_value(const RawTensor& tensor, int64_t element);
int64_t raw_integer(const RawTensor& tensor, int64_t element);

}  // namespace hearth::huggingface
