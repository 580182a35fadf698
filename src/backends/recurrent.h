// The walk every recurrent op makes through its state slots: load or zero, advance token by token, save on the way and
// at the end.
#pragma once

#include <algorithm>

#include "ops/step.h"

namespace hearth {

inline float* slot_at(const StateBuffer& state, int32_t slot) {
    return state.base + slot * state.slot_stride;
}

// Puts the state a sequence starts from into the slot it will end in; the op then advances it there in place. Slots to
// read and to write may be the same; different sequences never write what another one of the step reads.
inline float* begin_state(const StateBuffer& state, const SequenceStep& sequence) {
    float* to = slot_at(state, sequence.slot_write);
    if (sequence.slot_read < 0)
        std::fill_n(to, state.floats, 0.0f);
    else if (sequence.slot_read != sequence.slot_write)
        std::copy_n(slot_at(state, sequence.slot_read), state.floats, to);
    return to;
}

// The state after `done` tokens goes to every slot that wants it.
inline void save_state(const StateBuffer& state, const SequenceStep& sequence, int64_t done) {
    for (const SlotSave& save : sequence.saves)
        if (save.after_tokens == done && save.slot != sequence.slot_write)
            std::copy_n(slot_at(state, sequence.slot_write), state.floats, slot_at(state, save.slot));
}

}  // namespace hearth
