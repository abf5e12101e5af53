#include "shared/data/text_file.h"

#include <unicode/bytestream.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"

namespace apportion {

void fail_at(const std::string& file, size_t line, const std::string& message) {
  throw UserError(file + ", line " + std::to_string(line) + ": " + message);
}

std::string read_text(const std::string& path) {
  std::string text = read_file(path);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  const size_t invalid = first_invalid_byte(text);
  if (invalid != text.size()) {
    const auto ends = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(invalid), '\n');
    fail_at(path, static_cast<size_t>(ends) + 1, "the text is not UTF-8; save the file in that encoding");
  }
  return text;
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
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
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
