// Kinds of tokenizers that a GGUF file may have: words by llama.cpp's names, and SentencePiece's scores.
#include "shared/model_files/gguf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "shared/base/error.h"
#include "shared/tokens/tokenizer.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class GgufTokenizerTest : public testing::Test {
 protected:
  ~GgufTokenizerTest() override { ::unlink(path_.c_str()); }

  Tokenizer tokenizer(const GgufWriter& writer) {
    write_bytes(path_, writer.bytes());
    const Gguf gguf(path_);
    return Tokenizer(tokenizer_tables(gguf));
  }

  std::string error_of(const GgufWriter& writer) {
    try {
      tokenizer(writer);
    } catch (const DataError& error) {
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  static std::vector<int32_t> ids(const Tokenizer& tokenizer, std::string_view text) {
    std::vector<int32_t> found;
    for (const TokenSpan& token : tokenizer.encode(text, SpecialTokens::parse)) found.push_back(token.id);
    return found;
  }

  static GgufWriter byte_level(const char* pre) {
    GgufWriter writer;
    writer.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre);
    writer.texts("tokenizer.ggml.tokens",
                 {"1", "2", "11", "12", "112", "\u00C3", "\u00A9", "\u00C3\u00A9", "<x>"});
    writer.integers("tokenizer.ggml.token_type", {1, 1, 1, 1, 1, 1, 1, 1, 4});
    return writer.texts("tokenizer.ggml.merges", {"1 2", "1 1", "\u00C3 \u00A9"});
  }

  static GgufWriter sentencepiece() {
    GgufWriter writer;
    writer.text("tokenizer.ggml.model", "llama");
    writer.texts("tokenizer.ggml.tokens",
                 {"<unk>", "<s>", "<0xC3>", "<0xA9>", "a", "\u2581", "\u2581a", "aa", "  "});
    writer.integers("tokenizer.ggml.token_type", {2, 3, 6, 6, 1, 1, 1, 1, 4});
    return writer;
  }

  static std::string floats(const std::vector<float>& values) {
    const uint32_t kind = 6;
    const uint64_t count = values.size();
    std::string bytes(sizeof kind + sizeof count + count * sizeof(float), '\0');
    std::memcpy(bytes.data(), &kind, sizeof kind);
    std::memcpy(bytes.data() + sizeof kind, &count, sizeof count);
    std::memcpy(bytes.data() + sizeof kind + sizeof count, values.data(), count * sizeof(float));
    return bytes;
  }

  std::string path_ = testing::TempDir() + "gguf_tokenizer_test_" + std::to_string(::getpid()) + ".gguf";
};

constexpr uint32_t boolean_kind = 7, array_kind = 9;

TEST_F(GgufTokenizerTest, WordsByTheNameOfTheirModel) {
  EXPECT_THAT(ids(tokenizer(byte_level("smollm")), "112"), ElementsAre(0, 0, 1));
  EXPECT_THAT(ids(tokenizer(byte_level("qwen2")), "112"), ElementsAre(0, 0, 1));
  EXPECT_THAT(ids(tokenizer(byte_level("gpt-2")), "112"), ElementsAre(0, 3));
  EXPECT_THAT(ids(tokenizer(byte_level("llama-bpe")), "112"),
              ElementsAre(4));  // a whole token needs no merges
  EXPECT_THAT(ids(tokenizer(byte_level("gpt-2")), "1<x>"), ElementsAre(0, 8));
}

/// Qwen2 composes its text, which its GGUF files do not say.
TEST_F(GgufTokenizerTest, Qwen2ComposesFirst) {
  GgufWriter writer = byte_level("qwen2");
  EXPECT_THAT(ids(tokenizer(writer), "e\u0301"), ElementsAre(7));
  EXPECT_THAT(ids(tokenizer(byte_level("gpt-2")), "e\u0301"), ElementsAre());  // bytes that are not tokens
}

TEST_F(GgufTokenizerTest, SentencePieceByScores) {
  GgufWriter writer = sentencepiece();
  writer.raw("tokenizer.ggml.scores", array_kind, floats({0, 0, 0, 0, -5, -6, -2, -1, 0}));
  const Tokenizer with_blank = tokenizer(writer);
  EXPECT_THAT(ids(with_blank, "a a"), ElementsAre(6, 6));
  EXPECT_THAT(ids(with_blank, "aa"), ElementsAre(5, 7));
  EXPECT_THAT(ids(with_blank, "<s>\u00E9b"), ElementsAre(1, 5, 2, 3, 0));
  EXPECT_THAT(ids(with_blank, "a  a"),
              ElementsAre(6, 8, 6));  // as in llama.cpp, also a blank after an added token
  EXPECT_EQ(with_blank.decode({6, 6, 2, 3}), "a a\u00E9");
  writer.raw("tokenizer.ggml.add_space_prefix", boolean_kind, std::string(1, '\0'));
  const Tokenizer without = tokenizer(writer);
  EXPECT_THAT(ids(without, "a a"), ElementsAre(4, 6));
  EXPECT_EQ(without.decode({6, 6}), " a a");
}

/// Except for the token that begins a text.
TEST_F(GgufTokenizerTest, Phi3sMarksTakeTheBlanksBehindThem) {
  for (const auto& [architecture, right] :
       {std::pair("phi3", std::vector<int32_t>{9, 6, 1, 5, 6}), {"llama", {9, 5, 6, 1, 5, 6}}}) {
    GgufWriter writer;
    writer.text("general.architecture", architecture).text("tokenizer.ggml.model", "llama");
    writer.texts("tokenizer.ggml.tokens",
                 {"<unk>", "<s>", "<0xC3>", "<0xA9>", "a", "\u2581", "\u2581a", "aa", "  ", "<|user|>"});
    writer.integers("tokenizer.ggml.token_type", {2, 3, 6, 6, 1, 1, 1, 1, 4, 3});
    writer.raw("tokenizer.ggml.scores", array_kind, floats({0, 0, 0, 0, -5, -6, -2, -1, 0, 0}));
    EXPECT_EQ(ids(tokenizer(writer), "<|user|> a<s> a"), right) << architecture;
  }
}

TEST_F(GgufTokenizerTest, RefusesWhatItDoesNotKnow) {
  GgufWriter unigram;
  EXPECT_THAT(error_of(unigram.text("tokenizer.ggml.model", "t5")),
              HasSubstr("tokenizer.ggml.model is t5; gpt2"));
  EXPECT_THAT(error_of(byte_level("default")), HasSubstr("tokenizer.ggml.pre is default, a way"));
  EXPECT_THAT(error_of(sentencepiece()), HasSubstr("there is no metadata key tokenizer.ggml.scores"));
  GgufWriter few = sentencepiece();
  EXPECT_THAT(error_of(few.raw("tokenizer.ggml.scores", array_kind, floats({0, 1}))),
              HasSubstr("there are 2 scores for 9 tokens"));
  GgufWriter blanks = sentencepiece();
  EXPECT_THAT(
      error_of(blanks.raw("tokenizer.ggml.remove_extra_whitespaces", boolean_kind, std::string(1, '\1'))),
      HasSubstr("tokenizer.ggml.remove_extra_whitespaces is true"));
  GgufWriter map = sentencepiece();
  EXPECT_THAT(error_of(map.texts("tokenizer.ggml.precompiled_charsmap", {})),
              HasSubstr("precompiled_charsmap changes"));
}

}  // namespace
}  // namespace apportion
