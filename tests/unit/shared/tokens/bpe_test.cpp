// Merges within one word: what is already a token, what is not one, and SentencePiece's scores.
#include "shared/tokens/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Tables of normal tokens, except <0xNN> and <unk>.
class BpeTest : public testing::Test {
 protected:
  void set(const std::vector<std::string>& tokens, const std::vector<std::string>& merges) {
    tokens_ = tokens;
    merges_ = merges;
    kinds_.clear();
    for (const std::string& token : tokens) {
      const TokenKind kind = token == "<unk>"              ? TokenKind::control
                             : token.substr(0, 3) == "<0x" ? TokenKind::byte
                                                           : TokenKind::normal;
      kinds_.push_back(static_cast<int64_t>(kind));
    }
    tables_.tokens.value = tokens_;
    tables_.kinds.value = kinds_;
    tables_.merges.value = merges_;
  }

  /// Each token as id:begin:end.
  std::string encode(std::string_view text) const {
    const TokenTable table(tables_);
    const Bpe bpe(tables_, table);
    std::vector<BpePiece> pieces;
    bpe.encode(text, {{0, static_cast<uint32_t>(text.size())}}, pieces);
    std::string line;
    for (const BpePiece& piece : pieces) {
      line += (line.empty() ? "" : " ") + std::to_string(piece.id) + ':' + std::to_string(piece.begin) + ':' +
              std::to_string(piece.end);
    }
    return line;
  }

  std::string error() const {
    try {
      encode("");
    } catch (const DataError& caught) {
      return caught.what();
    }
    return "none";
  }

  std::vector<std::string> tokens_, merges_;
  std::vector<int64_t> kinds_;
  TokenizerTables tables_;
};

TEST_F(BpeTest, TheLowestRankGoesFirstAndTheLeftmostOfEquals) {
  set({"a", "b", "c", "ab", "bc", "aa"}, {"b c", "a b", "a a"});
  EXPECT_EQ(encode("abc"), "0:0:1 4:1:3");
  EXPECT_EQ(encode("aaa"), "5:0:2 0:2:3");
}

TEST_F(BpeTest, AWordThatIsATokenNeedsNoMerges) {
  set({"a", "b", "c", "abc"}, {});
  EXPECT_EQ(encode("abc"), "0:0:1 1:1:2 2:2:3");
  tables_.ignore_merges = true;
  EXPECT_EQ(encode("abc"), "3:0:3");
}

TEST_F(BpeTest, ACharacterThatIsNoTokenIsItsBytes) {
  tables_.alphabet = TokenAlphabet::characters;
  tables_.byte_fallback = true;
  set({"a", "<0xC3>", "<0xA9>", "<0xFF>", "<unk>"}, {});
  EXPECT_EQ(encode("a\u00E9\xFF"), "0:0:1 1:1:2 2:2:3 3:3:4");
  EXPECT_EQ(encode("b"), "");  // neither exists, so it vanishes
  tables_.unknown = 4;
  EXPECT_EQ(encode("b\u00EAa"), "4:0:1 4:1:3 0:3:4");
  tables_.fuse_unknown = true;
  EXPECT_EQ(encode("b\u00EAa"), "4:0:3 0:3:4");
}

TEST_F(BpeTest, ScoresChooseAmongTextsThatAreTokens) {
  tables_.alphabet = TokenAlphabet::characters;
  set({"a", "b", "c", "ab", "bc", "abc", "<0x64>", "<unk>"}, {});
  std::vector<double> scores = {0, 0, 0, -2, -1, -5, 0, 0};
  tables_.scores.value = scores;
  EXPECT_EQ(encode("abc"), "5:0:3");
  EXPECT_EQ(encode("abb"), "3:0:2 1:2:3");
  scores[5] = -9;
  EXPECT_EQ(encode("aab"), "0:0:1 3:1:3");
  tables_.unknown = 7;
  EXPECT_EQ(encode("xab"), "7:0:1 3:1:3");
  tables_.byte_fallback = true;
  EXPECT_EQ(encode("dab"), "6:0:1 3:1:3");
  scores[1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(error(), HasSubstr("a token's score is not a number"));
  scores.pop_back();
  tables_.scores.value = scores;
  EXPECT_THAT(error(), HasSubstr("7 scores for 8 tokens"));
}

TEST_F(BpeTest, EqualScoresGoFromTheLeft) {
  tables_.alphabet = TokenAlphabet::characters;
  set({"a", "b", "ab", "ba"}, {});
  const std::vector<double> scores = {0, 0, -1, -1};
  tables_.scores.value = scores;
  EXPECT_EQ(encode("bab"), "3:0:2 1:2:3");
}

TEST_F(BpeTest, NoMergeMakesASpecialToken) {
  set({"<unk", ">", "<unk>"}, {"<unk >"});
  EXPECT_THAT(error(), HasSubstr("merge 0 makes a special token"));
  // SentencePiece converters list this merge; it is skipped.
  tables_.alphabet = TokenAlphabet::characters;
  set({"u", ">", "<unk", "<unk>"}, {"<unk >"});
  EXPECT_EQ(encode("u>"), "0:0:1 1:1:2");
  tables_.unknown = 4;
  EXPECT_THAT(error(), HasSubstr("the unknown token has id 4; there are 4 tokens"));
}

TEST_F(BpeTest, AByteHasAName) {
  tables_.alphabet = TokenAlphabet::characters;
  for (const char* name : {"<0xG0>", "<0x0a>", "<0x00", "<0x000>"}) {
    set({"a", name}, {});
    EXPECT_THAT(error(), HasSubstr("token 1 is a byte's and called " + std::string(name))) << name;
  }
}

}  // namespace
}  // namespace apportion
