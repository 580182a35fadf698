// The activations of one matrix product, quantised or copied once into the order in which the kernels consume them.
//
// A panel holds N tokens cut into tiles of neighbouring tokens, as equal in width as possible and at most
// panel_tile_tokens() wide. A tile of W tokens is a sequence of blocks; inside a block the W tokens are interleaved,
// one dword each, so that a kernel step reads W adjacent dwords:
//   f32     1 column:    [W] f32
//   bf16    2 columns:   [W][2] bf16
//   q8_32   32 columns:  [8][W][4] int8 codes, [W] i32 -128 * sum of codes, [W] f32 scale, [W] f32 scale * sum of codes
//   q8_256  256 columns: [64][W][4] int8 codes, [W] f32 scale, [4][W][2] int16 sums of 32 codes,
//                        [16][W] i32 -128 * sum of 16 codes
// The bytes of a tile are W times those of one token, so token t's tile starts at its first token times token_bytes().
//
// Quantisation, equal bits in every row of the kernel table: scale = amax / 127, code = round half to even of x * (127
// / amax). amax is the largest magnitude of the block's 32 or 256 values. Blocks below 2^-120 become zero (127 / amax
// would overflow), a NaN or infinity makes the block's scale NaN or infinite and so shows in the results.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/cpu/isa.h"

namespace hearth::cpu {

enum class ActivationKind : uint8_t { f32, bf16, q8_32, q8_256 };

// Many tokens are multiplied by other kernels (Slabs in linear.h), which want narrower tiles.
constexpr bool are_many(int64_t tokens) {
    return tokens >= 40;
}
int panel_tile_tokens(ActivationKind kind, Isa isa, int64_t tokens);
int64_t token_bytes(ActivationKind kind, int64_t columns);  // columns: a multiple of 32 or 256 for q8_*

struct PanelTile {
    int64_t first_token;
    int tokens;
};
int64_t panel_tiles(int64_t tokens, int tile_tokens);
PanelTile panel_tile(int64_t tokens, int tile_tokens, int64_t tile);

int64_t panel_bytes(ActivationKind kind, Isa isa, int64_t tokens, int64_t columns);  // multiple of 64

struct PanelSource {
    const float* x = nullptr;
    int64_t stride = 0;                  // floats between rows
    const int32_t* row_index = nullptr;  // token t is row row_index[t]; null: row t
    int64_t tokens = 0;                  // of the whole panel
    int64_t columns = 0;
};
// Writes tokens [token_begin, token_end) of the panel. Any split of the tokens over calls and threads gives the same
// panel.
void pack_panel(ActivationKind kind, Isa isa, const PanelSource& source, int64_t token_begin, int64_t token_end,
                std::byte* panel);

// The value a packed activation stands for: what the products are made of.
float panel_value(ActivationKind kind, Isa isa, const std::byte* panel, int64_t tokens, int64_t columns, int64_t token,
                  int64_t column);

}  // namespace hearth::cpu
