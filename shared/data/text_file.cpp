#include "shared/data/text_file.h"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"

namespace apportion {
namespace {

/// Composed into Unicode's form NFC.
std::string composed(const std::string& text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* composing = icu::Normalizer2::getNFCInstance(status);
  ensure(U_SUCCESS(status), "ICU has its NFC data");
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  composing->normalizeUTF8(0, text, sink, nullptr, status);
  ensure(U_SUCCESS(status), "ICU can compose a well-formed string");
  return out;
}

enum class Look { as_it_is, blank, unseen, control };

/// How a character of a file looks on its line. Line ends and tabs are up to the format.
Look look_of(UChar32 code_point) {
  constexpr UChar32 ideographic_space = 0x3000;
  if (code_point == '\n' || code_point == '\r' || code_point == '\t' || code_point == ideographic_space)
    return Look::as_it_is;
  if (u_isUWhiteSpace(code_point)) return Look::blank;
  if (u_charType(code_point) == U_CONTROL_CHAR) return Look::control;
  const bool is_unseen =
      code_point == 0xAD || code_point == 0x200B || code_point == 0xFEFF ||
      (code_point >= 0x2060 && code_point <= 0x2064);  // soft hyphen, zero-width spaces, byte order mark
  return is_unseen ? Look::unseen : Look::as_it_is;
}

/// Does what read_text promises, for text in UTF-8.
std::string cleaned(const std::string& text, const std::string& path) {
  std::string clean;
  size_t line = 1;
  for (size_t offset = 0; offset < text.size();) {
    const size_t start = offset;
    UChar32 code_point = 0;
    U8_NEXT(text.data(), offset, text.size(), code_point);
    line += code_point == '\n' ? 1 : 0;
    switch (look_of(code_point)) {
      case Look::as_it_is:
        clean.append(text, start, offset - start);
        break;
      case Look::blank:
        clean += ' ';
        break;
      case Look::unseen:
        break;
      case Look::control:
        fail_at(path, line, fmt::format("a control character, U+{:04X}; remove it", code_point));
    }
  }
  return composed(clean);
}

}  // namespace

void fail_at(const std::string& file, size_t line, const std::string& message) {
  throw UserError(file + ", line " + std::to_string(line) + ": " + message);
}

std::string read_text(const std::string& path) {
  const std::string text = read_file(path);
  const size_t invalid = first_invalid_byte(text);
  if (invalid != text.size()) {
    const auto ends = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(invalid), '\n');
    fail_at(path, static_cast<size_t>(ends) + 1, "the text is not UTF-8; save the file in that encoding");
  }
  return cleaned(text, path);
}

std::vector<TextLine> read_lines(const std::string& path) {
  const std::string text = read_text(path);
  std::vector<TextLine> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back({std::move(line), path, lines.size() + 1});
    begin = end + 1;
  }
  return lines;
}

std::string_view trim(std::string_view text) {
  const auto size = static_cast<int32_t>(text.size());
  int32_t begin = 0, end = size;
  UChar32 code_point = 0;
  for (int32_t next = 0; begin < size; begin = next) {
    U8_NEXT(text.data(), next, size, code_point);
    if (!u_isUWhiteSpace(code_point)) break;
  }
  for (int32_t before = size; end > begin; end = before) {
    U8_PREV(text.data(), 0, before, code_point);
    if (!u_isUWhiteSpace(code_point)) break;
  }
  return text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

std::string visible_text(std::string_view text) {
  std::string visible;
  for (size_t offset = 0; offset < text.size();) {
    const size_t start = offset;
    UChar32 code_point = 0;
    U8_NEXT(text.data(), offset, text.size(), code_point);
    const bool unseen = u_hasBinaryProperty(code_point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) != 0;
    if (!unseen) visible.append(text.substr(start, offset - start));
  }
  return visible;
}

std::string fold_case(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* folding = icu::Normalizer2::getNFKCCasefoldInstance(status);
  ensure(U_SUCCESS(status), "ICU has its NFKC_Casefold data");
  const auto source = icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
  std::string folded;
  folding->normalize(source, status).toUTF8String(folded);
  ensure(U_SUCCESS(status), "ICU can fold a well-formed string");
  return folded;
}

std::string lower_case(std::string_view text) {
  auto words = icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
  std::string lower;
  words.toLower(icu::Locale::getRoot()).toUTF8String(lower);
  return lower;
}

}  // namespace apportion
