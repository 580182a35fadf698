// What the fuzzers and the replay of their corpora do with bytes that claim to be a safetensors file, or the
// config.json and tokenizer.json of a directory, or all of its files.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace hearth {

// Opens the bytes as a file and touches all that an accepted one offers. Returns the refusal, or nothing. Aborts when
// an accepted file breaks a promise of the interface.
std::string check_safetensors(std::span<const std::byte> bytes);

// A directory with the weights of a tiny Llama whose config.json are the bytes up to the first zero byte, and whose
// tokenizer.json are those behind it, up to a second zero byte; what stands behind that is the header of other weights.
std::string check_hf_config(std::span<const std::byte> bytes);

// A directory of any of the files that are read: pieces between zero bytes, each with the letter of its file in front
// (kFiles in hf_check.cpp). Weights are given by their header; without any, those of a tiny Llama are there.
std::string check_hf_directory(std::span<const std::byte> bytes);

}  // namespace hearth
