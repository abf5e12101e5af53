// Scores instead of merges: every text gets the same tokens, or there is an error.
#include "shared/model_files/gguf_export/merge_order.h"

#include <gtest/gtest.h>

#include "shared/base/counter_rng.h"
#include "shared/model_files/gguf_export/gguf_sentencepiece.h"
#include "shared/tokens/tokenizer.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::error_of;

constexpr const char* sign = "\u2581";

/// A vocabulary of characters and its merges, with "<unk>" as its first token.
struct Vocabulary {
  std::vector<std::string> tokens, merges;

  std::vector<int64_t> kinds = {};
  std::vector<double> scores = {};

  TokenizerTables by_merges() {
    TokenizerTables tables;
    tables.file = "tokenizer.json";
    tables.alphabet = TokenAlphabet::characters;
    tables.normalizer = {{NormalizerStep::Kind::replace, " ", sign}};
    tables.blank_sign = sign;
    tables.fuse_unknown = true;
    tables.unknown = 0;
    kinds.resize(tokens.size(), 1);
    kinds[0] = 3;
    tables.tokens.value = tokens;
    tables.kinds.value = kinds;
    tables.merges.value = merges;
    return tables;
  }

  /// The tables as a reader of the GGUF file has them.
  TokenizerTables by_scores() {
    TokenizerTables tables = by_merges();
    SentencePieceKeys keys = sentencepiece_keys(tables);
    kinds = keys.kinds;
    scores = keys.scores;
    tables.kinds.value = kinds;
    tables.scores.value = scores;
    tables.merges.value = {};
    return tables;
  }
};

std::vector<int32_t> ids_of(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int32_t> ids;
  for (const TokenSpan& token : tokenizer.encode(text, SpecialTokens::as_text)) ids.push_back(token.id);
  return ids;
}

/// Compares random texts made of the characters of `alphabet`.
void expect_equal_tokens(Vocabulary vocabulary, const std::string& alphabet, const std::string& purpose) {
  Vocabulary scored = vocabulary;
  const Tokenizer merged(vocabulary.by_merges()), by_scores(scored.by_scores());
  CounterRng rng(7, purpose);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    const uint64_t length = 1 + rng.below(14);
    while (text.size() < length) text += alphabet[rng.below(alphabet.size())];
    EXPECT_EQ(ids_of(merged, text), ids_of(by_scores, text)) << text;
  }
}

TEST(MergeOrder, IsThatOfTheMergeWhichATextComesTo) {
  // "abc" is made from ab and c, never from a and bc, although that merge comes first.
  Vocabulary vocabulary{{"<unk>", "a", "b", "c", "ab", "bc", "abc"}, {"a b", "a bc", "b c", "ab c"}};
  EXPECT_EQ(merge_order(vocabulary.by_merges()), (std::vector<int32_t>{-1, -1, -1, -1, 0, 2, 3}));
  EXPECT_EQ(vocabulary.by_scores().scores.value[6], -2);
  expect_equal_tokens(vocabulary, "abcd", "abc");
}

TEST(MergeOrder, RunsOfOneCharacterAreMergedAlike) {
  expect_equal_tokens({{"<unk>", "a", "b", "aa", "aaa", "aaaa", "ba", "aab"},
                       {"a a", "aa aa", "a aa", "aa a", "b a", "a aaa", "aaa a", "aa b"}},
                      "ab", "runs");
  expect_equal_tokens({{"<unk>", "a", "b", "ba", "aa", "aaa"}, {"b a", "a a", "aa a", "a aa"}}, "ab", "tail");
}

/// Random vocabularies: each either gives the same tokens or is refused.
TEST(MergeOrder, OfAnyMergesIsExactOrRefused) {
  int equal = 0, refused = 0;
  for (int made = 0; made < 400; ++made) {
    CounterRng rng(11, "vocabulary " + std::to_string(made));
    Vocabulary vocabulary{{"<unk>", "a", "b", "c"}, {}};
    for (int merge = 0; merge < 12; ++merge) {
      const auto pick = [&] { return vocabulary.tokens[1 + rng.below(vocabulary.tokens.size() - 1)]; };
      const std::string left = pick(), right = pick();
      auto& tokens = vocabulary.tokens;
      if (std::find(tokens.begin(), tokens.end(), left + right) == tokens.end())
        tokens.push_back(left + right);
      const std::string line = left + " " + right;
      auto& merges = vocabulary.merges;
      if (std::find(merges.begin(), merges.end(), line) != merges.end()) continue;
      // Inserted anywhere, since lists in converted files are not in the order of making.
      merges.insert(merges.begin() + static_cast<std::ptrdiff_t>(rng.below(merges.size() + 1)), line);
    }
    const std::string error = error_of([&] { merge_order(vocabulary.by_merges()); });
    if (error == "no error") {
      expect_equal_tokens(vocabulary, "abc", "texts " + std::to_string(made));
      ++equal;
    } else {
      EXPECT_NE(error.find("comes from no merge, but from the tokens"), std::string::npos) << error;
      ++refused;
    }
  }
  EXPECT_GT(equal, 100);
  EXPECT_GT(refused, 20);
}

TEST(MergeOrder, WhatScoresCannotSayIsNamed) {
  const auto refusal = [](Vocabulary vocabulary) {
    return error_of([&] { merge_order(vocabulary.by_merges()); });
  };
  EXPECT_EQ(refusal({{"<unk>", "a", "b", "ab"}, {}}),
            "tokenizer.json, byte 0: the token 3, ab, comes from no merge, but from the tokens a and b side "
            "by side, which the scores of a GGUF file cannot say");
  EXPECT_EQ(refusal({{"<unk>", "a", "ax"}, {}}),
            "tokenizer.json, byte 0: the token 2, ax, has a character that is not a token, which the scores "
            "of a GGUF file cannot say");
  EXPECT_EQ(refusal({{"<unk>", "a", "<unk>a"}, {"<unk> a"}}),
            "tokenizer.json, byte 0: merge 0 is of, or makes, <unk>, which stands for a byte or for unknown "
            "characters, which the scores of a GGUF file cannot say");
  // Three tokens in a row are never joined.
  Vocabulary three{{"<unk>", "a", "b", "c", "abc"}, {}};
  EXPECT_EQ(merge_order(three.by_merges()), (std::vector<int32_t>(5, -1)));
  expect_equal_tokens(three, "abc", "three");
}

TEST(MergeOrder, AWholeTextThatIsATokenIsRefusedWhereMergesAreIgnored) {
  Vocabulary vocabulary{{"<unk>", "a", "b", "c", "abc"}, {}};
  TokenizerTables tables = vocabulary.by_merges();
  tables.ignore_merges = true;
  EXPECT_NE(error_of([&] { merge_order(tables); }).find("(ignore_merges)"), std::string::npos);
}

}  // namespace
}  // namespace apportion
