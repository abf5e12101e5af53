#include "shared/tokens/aligned_text.h"

#include <unicode/utf8.h>

#include "shared/base/error.h"

namespace apportion {

uint32_t character_size(std::string_view text, uint32_t begin) {
  if (static_cast<uint8_t>(text[begin]) < 0x80) return 1;
  auto next = static_cast<int32_t>(begin);
  UChar32 character = 0;
  const char* data = text.data();
  U8_NEXT(data, next, static_cast<int32_t>(text.size()), character);
  return character < 0 ? 1 : static_cast<uint32_t>(next) - begin;
}

void TextEdit::fail_length(size_t most) const {
  throw UserError("a text of " + std::to_string(from_.original_.size()) + " bytes becomes more than " +
                  std::to_string(most) + " by the tokenizer's normalizer or pre_tokenizer");
}

}  // namespace apportion
