// A model by the key's value: a file or a shape.
#include "shared/model_files/model_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "shared/model_files/gguf.h"
#include "shared/model_files/shape_text.h"
#include "shared/tokens/chat_template.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

TEST(ModelFiles, AFilesModelIsTheFile) {
  const std::string path = testing::TempDir() + "model_files_" + std::to_string(::getpid()) + ".gguf";
  write_tiny_gguf(path, {});
  const auto files = open_model(path);
  EXPECT_EQ(files->digest(), Gguf(path).digest());
  EXPECT_EQ(files->shape().width, 64);
  EXPECT_EQ(shape_of_model(path).width, 64);
  const Tokenizer tokenizer(files->tokenizer());
  EXPECT_EQ(tokenizer.vocabulary_size(), files->shape().vocabulary);
  const int64_t width = files->shape().width;
  std::vector<float> rows(static_cast<size_t>(2 * width));
  files->tensors()->read_rows("model.embed_tokens.weight", 3, 5, rows.data());
  std::vector<float> row(static_cast<size_t>(width));
  files->tensors()->read_rows("model.embed_tokens.weight", 4, 5, row.data());
  EXPECT_TRUE(std::equal(row.begin(), row.end(), rows.begin() + width));
  ::unlink(path.c_str());
}

TEST(ModelFiles, AShapeBorrowsTokensAndFoldsThem) {
  const auto files = open_model("shape:layers=1,width=64,heads=4,ffn=96,vocabulary=1000");
  const Tokenizer tokenizer(files->tokenizer());
  EXPECT_EQ(tokenizer.vocabulary_size(), 1000);
  EXPECT_TRUE(files->hub_name().empty());
  const ChatTemplate chat(files->tokenizer(), tokenizer);
  for (int32_t id : chat.encode_prompt("Who is a civil engineer?")) EXPECT_LT(id, 1000);
}

TEST(ModelFiles, AShapesDigestIsOfTheSizesNotOfTheSpelling) {
  const std::string digest = open_model("shape:1b")->digest();
  EXPECT_EQ(digest, open_model(canonical_shape(parse_shape("shape:1b")))->digest());
  EXPECT_NE(digest, open_model("shape:1b,layers=15")->digest());
  EXPECT_NE(digest, open_model(tokenizer_of_shapes)->digest());
}

}  // namespace
}  // namespace apportion
