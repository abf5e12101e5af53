// A folder's tokens in a GGUF file, and those that cannot be written.
#include "shared/model_files/gguf_export/gguf_vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/model_files/gguf_export/gguf_writer.h"
#include "shared/model_files/gguf_tokenizer.h"
#include "shared/tokens/pre_tokenizer.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

PreTokenizerStep cut_by(std::string_view pattern) {
  PreTokenizerStep step;
  step.kind = PreTokenizerStep::Kind::regex;
  step.pattern = pattern;
  return step;
}

PreTokenizerStep single_digits() {
  PreTokenizerStep step;
  step.kind = PreTokenizerStep::Kind::digits;
  return step;
}

class GgufVocabulary : public ::testing::Test {
 protected:
  GgufVocabulary() {
    tables_.file = "tokenizer.json";
    tables_.pre_tokenizer.value = {cut_by(gpt2_pattern)};
    tables_.tokens.value = tokens_;
    tables_.kinds.value = kinds_;
    tables_.merges.value = merges_;
    tables_.vocabulary = 6;
    tables_.bos_token = "<s>";
    tables_.eos_token = "</s>";
    tables_.add_bos = true;
    tables_.chat_template.value = "{{ messages }}";
  }

  TokenizerTables tables_;

 private:
  std::vector<std::string> tokens_ = {"<s>", "a", "b", "", "</s>"};
  std::vector<int64_t> kinds_ = {3, 1, 1, 5, 4};
  std::vector<std::string> merges_ = {"a b"};
};

TEST_F(GgufVocabulary, ComesBack) {
  const DatasetFolder folder;
  const std::string path = folder.path_of("tokens.gguf");
  GgufFileWriter(path, vocabulary_keys(tables_), {}).finish();
  const Gguf gguf(path);
  const TokenizerTables read = tokenizer_tables(gguf);
  EXPECT_THAT(read.tokens.value, ElementsAre("<s>", "a", "b", "[PAD3]", "</s>", "[PAD5]"));
  EXPECT_THAT(read.kinds.value, ElementsAre(3, 1, 1, 5, 4, 5));
  EXPECT_THAT(read.merges.value, ElementsAre("a b"));
  EXPECT_EQ(read.pre_tokenizer_name, "gpt-2");
  EXPECT_EQ(read.bos_token, "<s>");
  EXPECT_EQ(read.eos_token, "</s>");
  EXPECT_TRUE(read.add_bos);
  EXPECT_EQ(read.chat_template.value, "{{ messages }}");
  EXPECT_EQ(gguf_pre(read), "gpt-2");
}

TEST_F(GgufVocabulary, WaysOfCuttingHaveNames) {
  tables_.pre_tokenizer.value = {single_digits(), cut_by(gpt2_pattern)};
  EXPECT_EQ(gguf_pre(tables_), "smollm");
  tables_.pre_tokenizer.value = {cut_by(qwen2_pattern)};
  EXPECT_EQ(gguf_pre(tables_), "");
  tables_.normalizer.push_back({NormalizerStep::Kind::nfc, {}, {}});
  EXPECT_EQ(gguf_pre(tables_), "qwen2");
  tables_.normalizer.clear();
  tables_.pre_tokenizer.value = {cut_by(llama3_pattern)};
  EXPECT_EQ(gguf_pre(tables_), "");
  tables_.ignore_merges = true;
  EXPECT_EQ(gguf_pre(tables_), "llama-bpe");
  tables_.pre_tokenizer.value[0].invert = true;
  EXPECT_EQ(gguf_pre(tables_), "");
}

TEST_F(GgufVocabulary, WhatCannotBeWrittenIsNamed) {
  const auto keys = [&] { vocabulary_keys(tables_); };
  tables_.added_rules[4] = {.blanks_left = true};
  EXPECT_THAT(keys, ThrowsMessage<DataError>(HasSubstr("the token </s> takes blanks around it")));
  tables_.added_rules[4] = {.normalized = true};  // but nothing normalizes here
  EXPECT_NO_THROW(keys());
  tables_.pre_tokenizer = {{cut_by("a+")}, 17};
  EXPECT_THAT(keys, ThrowsMessage<DataError>(
                        HasSubstr("tokenizer.json, byte 17: GGUF files have no supported name")));
  tables_.alphabet = TokenAlphabet::characters;
  EXPECT_THAT(keys,
              ThrowsMessage<DataError>(HasSubstr("tokenizer.json, byte 17: the text is changed or cut")));
}

}  // namespace
}  // namespace apportion
