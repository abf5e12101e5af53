// tokenizer.json: what is read from it, and texts that it turns into tokens and back into text.
#include "shared/model_files/folder/tokenizer_json.h"
#include "shared/tokens/tokenizer.h"
#include "tests/fuzz/input.h"

namespace apportion {
namespace {

/// Words and blanks, digits and signs, other scripts, marks of special tokens, bytes that are not UTF-8, and
/// long runs of one kind, which an expression may match in many ways.
const std::vector<std::string>& texts() {
  static const std::vector<std::string> all = {
      "", "Hello, World's  42 ab\n\t a1b22 <s><t> </s>",
      "caf\xC3\xA9 e\xCC\x81 \xE2\x96\x81 \xF0\x9F\x98\x80\xE4\xBD\xA0\xE5\xA5\xBD \xFF\xC3 \xC2\xA0",
      std::string(300, 'a') + "!" + std::string(200, ' ') + std::string(100, '1')};
  return all;
}

}  // namespace
}  // namespace apportion

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  const std::string path = fuzz::file_of(fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] {
    const TokenizerJson file(path);
    const Tokenizer tokenizer(file.tables());
    for (const std::string& text : texts()) {
      for (const SpecialTokens special : {SpecialTokens::parse, SpecialTokens::as_text}) {
        fuzz::read_or_refuse([&] { fuzz::through_tokens(tokenizer, text, special); });
      }
    }
  });
  return 0;
}
