// All families, one line each.
#pragma once

#include "chat/family.h"

namespace hearth::chat {

extern const Family kGptOss;
extern const Family kGemma4;
extern const Family kGemma3;
extern const Family kGlm;
extern const Family kGranite4;
extern const Family kGranite3;
extern const Family kDeepseek;
extern const Family kNemotron2;
extern const Family kNemotron3;
extern const Family kEmber;
extern const Family kQwen35;
extern const Family kQwen3Coder;
extern const Family kMinistral;
extern const Family kMistralSmall;
extern const Family kMistralNemo;
extern const Family kLlama3;
extern const Family kPhi;
extern const Family kPhi4Mini;
extern const Family kLfm2;
extern const Family kSmollm3;
extern const Family kQwen3;
extern const Family kQwq;
extern const Family kQwen25;

}  // namespace hearth::chat
