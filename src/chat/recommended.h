// How an answer is sampled where nobody says otherwise.
#pragma once

#include "chat/family.h"
#include "engine/sampler.h"
#include "files/metadata.h"

namespace hearth::chat {

// Where neither the file nor the makers of its family recommend anything.
SamplerOptions usual_sampling();
// `options` with what the makers of the family recommend and, stronger, what the file itself does (general.sampling.*);
// tokens that it suppresses are added.
SamplerOptions recommended_sampling(SamplerOptions options, const Metadata& file, const Sampling& family);

}  // namespace hearth::chat
