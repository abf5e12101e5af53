#include "shared/tokens/normalizer.h"

#include <unicode/normalizer2.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

namespace apportion {
namespace {

const icu::Normalizer2& unicode_form(NormalizerStep::Kind kind) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = kind == NormalizerStep::Kind::nfc
                                     ? icu::Normalizer2::getNFCInstance(status)
                                     : icu::Normalizer2::getNFKCInstance(status);
  ensure(U_SUCCESS(status), "ICU has its data of NFC and NFKC");
  return *form;
}

bool is_ascii(std::string_view text) {
  for (char byte : text) {
    if (static_cast<uint8_t>(byte) >= 0x80) return false;
  }
  return true;
}

/// Composes a text piece by piece, cut before characters that do not combine with what precedes them.
class Composer {
 public:
  Composer(const icu::Normalizer2& form, AlignedText& text)
      : form_(form), text_(text.text()), edit_(text), target_(text) {}

  void run() {
    const char* data = text_.data();
    const auto size = static_cast<int32_t>(text_.size());
    for (int32_t i = 0; i < size;) {
      const int32_t begin = i;
      UChar32 character = 0;
      U8_NEXT(data, i, size, character);
      if (character < 0 || form_.hasBoundaryBefore(character)) flush(static_cast<uint32_t>(begin));
      if (character < 0) {
        edit_.keep(begin_, static_cast<uint32_t>(i));
        begin_ = static_cast<uint32_t>(i);
      } else {
        piece_.append(character);
      }
    }
    flush(static_cast<uint32_t>(size));
    target_ = edit_.finish();
  }

 private:
  /// Writes the piece, which ends at `end`.
  void flush(uint32_t end) {
    if (piece_.isEmpty()) return;
    UErrorCode status = U_ZERO_ERROR;
    std::string composed;
    form_.normalize(piece_, status).toUTF8String(composed);
    ensure(U_SUCCESS(status), "ICU can compose a well-formed string");
    if (composed == text_.substr(begin_, end - begin_)) {
      edit_.keep(begin_, end);
    } else {
      edit_.put(composed, begin_, end);
    }
    piece_.remove();
    begin_ = end;
  }

  const icu::Normalizer2& form_;
  std::string_view text_;
  TextEdit edit_;
  AlignedText& target_;
  icu::UnicodeString piece_;
  uint32_t begin_ = 0;
};

void compose(NormalizerStep::Kind kind, AlignedText& text) {
  const icu::Normalizer2& form = unicode_form(kind);
  UErrorCode status = U_ZERO_ERROR;
  if (is_ascii(text.text())) return;
  const icu::StringPiece piece(text.text().data(), static_cast<int32_t>(text.size()));
  // For invalid UTF-8 ICU may say either; composing it piece by piece then changes nothing.
  if (form.isNormalizedUTF8(piece, status) && U_SUCCESS(status)) return;
  Composer(form, text).run();
}

void replace(const NormalizerStep& step, AlignedText& text) {
  const std::string_view old = text.text();
  size_t found = old.find(step.pattern);
  if (found == std::string_view::npos) return;
  TextEdit edit(text);
  uint32_t begin = 0;
  const auto length = static_cast<uint32_t>(step.pattern.size());
  for (; found != std::string_view::npos; found = old.find(step.pattern, begin)) {
    const auto at = static_cast<uint32_t>(found);
    edit.keep(begin, at);
    begin = at + length;
    edit.put(step.content, at, begin);
  }
  edit.keep(begin, text.size());
  text = edit.finish();
}

void prepend(const NormalizerStep& step, AlignedText& text) {
  if (text.size() == 0) return;
  TextEdit edit(text);
  edit.put(step.content, 0, character_size(text.text(), 0));
  edit.keep(0, text.size());
  text = edit.finish();
}

}  // namespace

void Normalizer::apply(AlignedText& text) const {
  for (const NormalizerStep& step : steps_) {
    switch (step.kind) {
      case NormalizerStep::Kind::nfc:
      case NormalizerStep::Kind::nfkc:
        compose(step.kind, text);
        break;
      case NormalizerStep::Kind::replace:
        replace(step, text);
        break;
      case NormalizerStep::Kind::prepend:
        prepend(step, text);
        break;
    }
  }
}

std::string Normalizer::normalize(std::string_view text) const {
  AlignedText aligned(text, 0);
  apply(aligned);
  return std::string(aligned.text());
}

}  // namespace apportion
