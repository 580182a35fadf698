// What the fuzzer, the replay of its corpus and the damage tests do with bytes that claim to be an importance matrix.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace hearth {

// Reads the bytes as a file. Returns the refusal, or nothing. Aborts when an accepted file breaks a promise of the
// reader.
std::string check_imatrix(std::span<const std::byte> bytes);

}  // namespace hearth
