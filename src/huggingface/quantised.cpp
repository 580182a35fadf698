#include "huggingface/tensors.h"

namespace hearth::huggingface {

bool has_quantised(const Tensors&, const std::string&) {
    return false;
}
ValuesPtr open_quantised(const Tensors&, const std::shared_ptr<const Safetensors>&, const std::string&, Config&,
                         std::vector<std::string>&) {
    return nullptr;
}

}  // namespace hearth::huggingface
