// Merges and special tokens on a tiny vocabulary. tests/conformance/tokens/tokenizer_test.py compares with a
// peer on thousands of texts.
#include "shared/tokens/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_tokenizer.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TokenizerTest : public testing::Test {
 protected:
  TokenizerTest() : path_(testing::TempDir() + "tokenizer_test_" + std::to_string(::getpid()) + ".gguf") {
    write_tiny_gguf(path_, {});
  }
  ~TokenizerTest() override { ::unlink(path_.c_str()); }

  /// Each token's bytes, to show where the cuts are.
  static std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text,
                                         SpecialTokens special) {
    std::vector<std::string> result;
    for (const TokenSpan& token : tokenizer.encode(text, special))
      result.emplace_back(tokenizer.bytes(token.id));
    return result;
  }

  std::string error_of(const GgufWriter& writer) {
    write_bytes(path_, writer.bytes());
    Gguf gguf(path_);
    try {
      Tokenizer tokenizer(tokenizer_tables(gguf));
    } catch (const DataError& error) {
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  std::string path_;
};

TEST_F(TokenizerTest, MergesInOrderOfRank) {
  Tokenizer tokenizer{tokenizer_tables(Gguf(path_))};
  EXPECT_THAT(pieces(tokenizer, "0 Male", SpecialTokens::parse), ElementsAre("0", " Male"));
  EXPECT_THAT(pieces(tokenizer, "Male person", SpecialTokens::parse), ElementsAre("Male", " person"));
  EXPECT_THAT(pieces(tokenizer, "Mal", SpecialTokens::parse), ElementsAre("Mal"));
  EXPECT_THAT(pieces(tokenizer, "ale", SpecialTokens::parse), ElementsAre("a", "l", "e"));
}

TEST_F(TokenizerTest, SpansAreTheBytesOfTheText) {
  Tokenizer tokenizer{tokenizer_tables(Gguf(path_))};
  std::string text = "is the user\u00e9<|im_end|>12 Female\xFF";
  uint32_t position = 0;
  for (const TokenSpan& token : tokenizer.encode(text, SpecialTokens::parse)) {
    EXPECT_EQ(token.begin, position);
    EXPECT_EQ(text.substr(token.begin, token.end - token.begin), tokenizer.bytes(token.id));
    position = token.end;
  }
  EXPECT_EQ(position, text.size());
}

TEST_F(TokenizerTest, FoldsItsIdsIntoAnotherVocabulary) {
  const Gguf gguf(path_);
  auto folded_to = [&](int32_t vocabulary) {
    TokenizerTables tables = tokenizer_tables(gguf);
    tables.folded_to = vocabulary;
    return Tokenizer(tables);
  };
  const Tokenizer plain = folded_to(0);
  const int32_t table = plain.vocabulary_size();
  const Tokenizer small = folded_to(100), large = folded_to(2 * table);
  EXPECT_EQ(small.vocabulary_size(), 100);
  const auto ids = plain.encode("Female<|im_end|>x", SpecialTokens::parse);
  const auto folded = small.encode("Female<|im_end|>x", SpecialTokens::parse);
  ASSERT_EQ(ids.size(), folded.size());
  bool changed = false;
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(folded[i].id, ids[i].id % 100);
    EXPECT_EQ(folded[i].end, ids[i].end);
    changed = changed || folded[i].id != ids[i].id;
  }
  EXPECT_TRUE(changed);
  EXPECT_EQ(large.encode("Female", SpecialTokens::parse)[0].id,
            plain.encode("Female", SpecialTokens::parse)[0].id);
  EXPECT_EQ(large.bytes(table + 50), plain.bytes(50));
  EXPECT_TRUE(large.is_special(table + 2));
  EXPECT_THROW(small.bytes(100), InternalError);
}

TEST_F(TokenizerTest, SpecialTokensOnlyWhenParsed) {
  Tokenizer tokenizer{tokenizer_tables(Gguf(path_))};
  std::string text = "a<|im_start|><|im_end|><|im_end|";
  EXPECT_THAT(pieces(tokenizer, text, SpecialTokens::parse),
              ElementsAre("a", "<|im_start|>", "<|im_end|>", "<", "|", "i", "m", "_", "e", "n", "d", "|"));
  for (const TokenSpan& token : tokenizer.encode(text, SpecialTokens::as_text)) {
    EXPECT_FALSE(tokenizer.is_special(token.id));
  }
  EXPECT_EQ(tokenizer.special_id("<|im_end|>"), 2);
  EXPECT_EQ(tokenizer.special_id("Male"), std::nullopt);
}

TEST_F(TokenizerTest, DecodingGivesAnyBytesBack) {
  Tokenizer tokenizer{tokenizer_tables(Gguf(path_))};
  CounterRng rng(3, "random bytes");
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (uint64_t size = rng.below(60); size > 0; --size) text += static_cast<char>(rng.below(256));
    std::vector<int32_t> ids;
    for (const TokenSpan& token : tokenizer.encode(text, SpecialTokens::as_text)) ids.push_back(token.id);
    EXPECT_EQ(tokenizer.decode(ids), text);
  }
  EXPECT_EQ(tokenizer.decode({1, 2}), "");
}

TEST_F(TokenizerTest, ALongWordIsMergedWhole) {
  Tokenizer tokenizer{tokenizer_tables(Gguf(path_))};
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "Male";
  EXPECT_EQ(tokenizer.encode(text, SpecialTokens::parse).size(), 20000U);
}

/// One special token begins with another, and the vocabulary lacks the byte "x".
TEST_F(TokenizerTest, TheLongestSpecialTokenWinsAndAMissingByteVanishes) {
  GgufWriter writer;
  writer.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "smollm");
  writer.texts("tokenizer.ggml.tokens", {"<a>", "<a><b>", "p", "q", "pq"});
  writer.integers("tokenizer.ggml.token_type", {3, 3, 1, 1, 1}).texts("tokenizer.ggml.merges", {"p q"});
  write_bytes(path_, writer.bytes());
  Tokenizer tokenizer{tokenizer_tables(Gguf(path_))};
  EXPECT_THAT(pieces(tokenizer, "<a><a><b>", SpecialTokens::parse), ElementsAre("<a>", "<a><b>"));
  std::vector<TokenSpan> tokens = tokenizer.encode("xpxqx", SpecialTokens::parse);
  ASSERT_EQ(tokens.size(), 1U);
  EXPECT_EQ(tokens[0].id, 4);
  EXPECT_EQ(tokens[0].begin, 1U);
  EXPECT_EQ(tokens[0].end, 4U);
}

TEST_F(TokenizerTest, RefusesTablesThatMakeNoSense) {
  auto error = [&](const std::vector<std::string>& tokens, const std::vector<int32_t>& types,
                   const std::vector<std::string>& merges, const char* pre = "smollm") {
    GgufWriter writer;
    writer.text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", pre)
        .texts("tokenizer.ggml.tokens", tokens);
    return error_of(
        writer.integers("tokenizer.ggml.token_type", types).texts("tokenizer.ggml.merges", merges));
  };
  EXPECT_THAT(error({"a"}, {1}, {}, "default"), HasSubstr("tokenizer.ggml.pre is default"));
  EXPECT_THAT(error({}, {}, {}), HasSubstr("there are 0 tokens"));
  EXPECT_THAT(error({"a", "b"}, {1}, {}), HasSubstr("1 token types for 2 tokens"));
  EXPECT_THAT(error({"a", "a"}, {1, 1}, {}), HasSubstr("token 1 has the same text"));
  EXPECT_THAT(error({"a", ""}, {1, 1}, {}), HasSubstr("token 1 has no text"));
  EXPECT_THAT(error({"a", "b"}, {1, 6}, {}), HasSubstr("token 1 has type 6"));
  EXPECT_THAT(error({"\u3042"}, {1}, {}), HasSubstr("GPT-2's characters"));
  EXPECT_THAT(error({"a b"}, {1}, {}), HasSubstr("GPT-2's characters"));
  EXPECT_THAT(error({"a", "b"}, {1, 1}, {"a b"}),
              HasSubstr("merge 0 is of, or makes, a text that is not a token"));
  EXPECT_THAT(error({"a"}, {1}, {"aa"}), HasSubstr("merge 0 is not two texts"));
  EXPECT_THAT(error({"a", "aa"}, {1, 1}, {"a a", "a a"}), HasSubstr("merge 1 appears twice"));
  EXPECT_THAT(error({"a", "aa"}, {1, 3}, {"a a"}), HasSubstr("merge 0 makes a special token"));
}

TEST_F(TokenizerTest, PartsAreOneTextAndSpecialOnlyWhereTheyMayBe) {
  const Gguf gguf(path_);
  const Tokenizer tokenizer(tokenizer_tables(gguf));
  auto ids = [](const std::vector<TokenSpan>& tokens) {
    std::vector<int32_t> all;
    for (const TokenSpan& token : tokens) all.push_back(token.id);
    return all;
  };
  const auto parse = SpecialTokens::parse, as_text = SpecialTokens::as_text;
  // Where parts meet does not matter to words and merges.
  const std::string text = "<|im_start|>user\nWho is the nurse?<|im_end|>\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const bool within = (cut > 0 && cut < 12) || (cut > text.size() - 11 && cut < text.size() - 1);
    const std::vector<TextPart> parts = {
        {text.substr(0, cut), parse}, {"", as_text}, {text.substr(cut), parse}};
    EXPECT_EQ(ids(tokenizer.encode(parts)) == ids(tokenizer.encode(text, parse)), !within) << cut;
  }
  const std::vector<TokenSpan> mixed =
      tokenizer.encode({{"<|im_start|>a", parse}, {"<|im_end|>", as_text}, {"<|im_end|>", parse}});
  const int32_t end = *tokenizer.special_id("<|im_end|>");
  EXPECT_EQ(mixed.front().id, *tokenizer.special_id("<|im_start|>"));
  EXPECT_EQ(
      std::count_if(mixed.begin(), mixed.end(), [&](const TokenSpan& token) { return token.id == end; }), 1);
  EXPECT_EQ(mixed.back().id, end);
  EXPECT_EQ(mixed.back().begin, 23U);
  EXPECT_EQ(mixed.back().end, 33U);
  EXPECT_TRUE(tokenizer.encode(std::vector<TextPart>{}).empty());
}

}  // namespace
}  // namespace apportion
