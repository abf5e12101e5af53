// GGUF: metadata and tensors, the shape and tokens that they describe, and the values of the first and last
// rows.
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_shape.h"
#include "shared/model_files/gguf_tokenizer.h"
#include "shared/model_files/origin.h"
#include "shared/model_files/tensor_reader.h"
#include "shared/tokens/chat_template.h"
#include "tests/fuzz/input.h"

namespace apportion {
namespace {

void read_values(const Gguf& file) {
  const ModelShape shape = shape_of(file);
  const auto reader = gguf_tensors(file, shape);
  for (const auto& [name, sizes] : reader->tensors()) {
    const auto width = static_cast<size_t>(sizes.size() > 1 ? sizes[1] : 1);
    std::vector<float> row(width);
    fuzz::read_or_refuse([&, &tensor = name] { reader->read_rows(tensor, 0, 1, row.data()); });
    fuzz::read_or_refuse(
        [&, &tensor = name, last = sizes[0]] { reader->read_rows(tensor, last - 1, last, row.data()); });
  }
}

void read_tokens(const Gguf& file) {
  const TokenizerTables tables = tokenizer_tables(file);
  const Tokenizer tokenizer(tables);
  for (const char* text : {"", "Male is 42 caf\xC3\xA9  <|im_end|>\n", "\xFF\xC3 the person's"})
    fuzz::through_tokens(tokenizer, text, SpecialTokens::parse);
  const ChatTemplate chat(tables, tokenizer);
  chat.encode_turn("Hi", "Male");
}

}  // namespace
}  // namespace apportion

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  const std::string path = fuzz::file_of(fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] {
    const Gguf file(path);
    hub_name(file);
    license_of(file);
    fuzz::read_or_refuse([&] { read_values(file); });
    fuzz::read_or_refuse([&] { read_tokens(file); });
  });
  return 0;
}
