#include "shared/data/text_width.h"

#include <unicode/brkiter.h>
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>

#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr UChar32 emoji_selector = 0xFE0F;  // shows the character before it as a picture

bool is_ascii(char character) { return (static_cast<unsigned char>(character) & 0x80U) == 0; }

bool is_wide(UChar32 code_point) {
  const int width = u_getIntPropertyValue(code_point, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ||
         u_hasBinaryProperty(code_point, UCHAR_EMOJI_PRESENTATION) != 0;
}

/// Marks over or under others, and characters that are never seen.
bool takes_no_column(UChar32 code_point) {
  const uint32_t category = U_GET_GC_MASK(code_point);
  return (category & (U_GC_MN_MASK | U_GC_ME_MASK | U_GC_CF_MASK)) != 0 && code_point != 0xAD;
}

int columns_of_cluster(std::string_view cluster) {
  int columns = 0;
  for (size_t offset = 0; offset < cluster.size();) {
    UChar32 code_point = 0;
    U8_NEXT_OR_FFFD(cluster.data(), offset, cluster.size(), code_point);
    if (code_point == emoji_selector || is_wide(code_point)) return 2;
    if (!takes_no_column(code_point)) columns = 1;
  }
  return columns;
}

/// Where the first cluster of `text` ends.
size_t end_of_cluster(std::string_view text) {
  thread_local const std::unique_ptr<icu::BreakIterator> characters = [] {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::BreakIterator> made(
        icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
    ensure(U_SUCCESS(status), "ICU has its rules of characters");
    return made;
  }();
  UErrorCode status = U_ZERO_ERROR;
  UText view = UTEXT_INITIALIZER;
  utext_openUTF8(&view, text.data(), static_cast<int64_t>(text.size()), &status);
  characters->setText(&view, status);
  ensure(U_SUCCESS(status), "ICU can read a text in UTF-8");
  characters->first();
  const int32_t end = characters->next();
  utext_close(&view);
  return static_cast<size_t>(std::max(end, 1));
}

}  // namespace

SeenCharacter first_character(std::string_view text) {
  // A mark can follow only if the next byte is beyond ASCII.
  if (is_ascii(text.front()) && (text.size() == 1 || is_ascii(text[1]))) return {1, 1};
  const size_t bytes = end_of_cluster(text);
  return {bytes, columns_of_cluster(text.substr(0, bytes))};
}

}  // namespace apportion
