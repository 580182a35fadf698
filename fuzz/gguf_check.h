// What the fuzzer, the replay of its corpus and the damage tests do with bytes that claim to be a GGUF file.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace hearth {

// Opens the bytes as a file and, when they are accepted, touches everything a user of the checkpoint would. Returns the
// refusal, or nothing. Aborts when an accepted file breaks a promise of the interface.
std::string check_gguf(std::span<const std::byte> bytes);

}  // namespace hearth
