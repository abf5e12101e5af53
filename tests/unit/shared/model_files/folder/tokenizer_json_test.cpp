// tokenizer.json: what its keys do to tokens, and files that are damaged or ask for something unknown.
// tests/conformance/tokens/tokenizer_families_test.py compares the families' whole files with a peer.
#include "shared/model_files/folder/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/tokens/tokenizer.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

json added(int id, const char* text, bool special = true) {
  return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

/// A byte-level file with a handful of tokens.
json byte_level() {
  const json words = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", nullptr},
                      {"continuing_subword_prefix", nullptr},
                      {"end_of_word_suffix", nullptr},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"ignore_merges", false},
                      {"vocab", {{"a", 0}, {"b", 1}, {"\u0120", 2}, {"ab", 3}, {"\u0120ab", 4}}},
                      {"merges", {"a b", "\u0120 ab"}}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", {added(5, "<s>"), added(6, "<t>", false)}},
          {"normalizer", nullptr},
          {"pre_tokenizer", words},
          {"post_processor", nullptr},
          {"decoder",
           {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
          {"model", model}};
}

/// A file like Llama 2's.
json metaspace() {
  json file = byte_level();
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  const json back = {{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}};
  file["normalizer"] = {{"type", "Sequence"},
                        {"normalizers", {{{"type", "Prepend"}, {"prepend", "\u2581"}}, replace}}};
  file["pre_tokenizer"] = nullptr;
  file["decoder"] = {{"type", "Sequence"},
                     {"decoders",
                      {back,
                       {{"type", "ByteFallback"}},
                       {{"type", "Fuse"}},
                       {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  file["added_tokens"] = {added(0, "<unk>"), added(1, "<s>")};
  json& model = file["model"];
  model["byte_fallback"] = true;
  model["unk_token"] = "<unk>";
  model["vocab"] = {{"<unk>", 0}, {"<s>", 1},    {"<0xC3>", 2}, {"<0xA9>", 3},
                    {"a", 4},     {"\u2581", 5}, {"\u2581a", 6}};
  model["merges"] = json::array({json::array({"\u2581", "a"})});
  return file;
}

class TokenizerJsonTest : public testing::Test {
 protected:
  ~TokenizerJsonTest() override { ::unlink(path_.c_str()); }

  Tokenizer tokenizer(const json& file, int32_t rows = 0) {
    write_bytes(path_, file.dump());
    const TokenizerJson read(path_);
    TokenizerTables tables = read.tables();
    tables.vocabulary = rows;
    return Tokenizer(tables);
  }

  static std::vector<int32_t> ids(const Tokenizer& tokenizer, std::string_view text,
                                  SpecialTokens special = SpecialTokens::parse) {
    std::vector<int32_t> found;
    for (const TokenSpan& token : tokenizer.encode(text, special)) found.push_back(token.id);
    return found;
  }

  std::string error_of(const std::string& bytes) {
    write_bytes(path_, bytes);
    try {
      const TokenizerJson read(path_);
      const Tokenizer tokenizer(read.tables());
    } catch (const DataError& error) {
      std::string line = error.what();
      EXPECT_THAT(line, StartsWith(path_ + ", byte "));
      EXPECT_EQ(line.find('\n'), std::string::npos) << line;
      return line.substr(path_.size() + 2);
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  /// The error for a file in which `value` replaces what the pointer names.
  std::string error_with(json file, const char* pointer, const json& value) {
    file[json::json_pointer(pointer)] = value;
    return error_of(file.dump());
  }

  std::string path_ = testing::TempDir() + "tokenizer_json_test_" + std::to_string(::getpid()) + ".json";
};

TEST_F(TokenizerJsonTest, ByteLevel) {
  const Tokenizer read = tokenizer(byte_level());
  EXPECT_EQ(read.vocabulary_size(), 7);
  EXPECT_THAT(ids(read, "ab ab<s>b<t>"), ElementsAre(3, 4, 5, 1, 6));
  EXPECT_THAT(ids(read, "<s><t>a", SpecialTokens::as_text), ElementsAre(6, 0));
  EXPECT_TRUE(read.is_special(5));
  EXPECT_FALSE(read.is_special(6));
  EXPECT_EQ(read.decode({3, 4, 5, 6}), "ab ab<t>");
}

TEST_F(TokenizerJsonTest, MetaspaceWithBytes) {
  const Tokenizer read = tokenizer(metaspace());
  EXPECT_THAT(ids(read, "a a"), ElementsAre(6, 6));
  EXPECT_THAT(ids(read, "\u00E9"), ElementsAre(5, 2, 3));
  EXPECT_THAT(ids(read, "<s>\u6F22"), ElementsAre(1, 5, 0));
  EXPECT_EQ(read.bytes(6), " a");
  EXPECT_EQ(read.bytes(2), "\xC3");
  EXPECT_EQ(read.decode({1, 6, 6, 2, 3}), "a a\u00E9");
}

TEST_F(TokenizerJsonTest, IdsMayBeLeftOutAndTheModelMayHaveMoreRows) {
  json file = byte_level();
  file["added_tokens"] = json::array();
  file["model"]["vocab"]["x"] = 9;
  const Tokenizer read = tokenizer(file, 32);
  EXPECT_EQ(read.vocabulary_size(), 32);
  EXPECT_THAT(ids(read, "abx"), ElementsAre(3, 9));
  EXPECT_EQ(read.decode({9, 7, 31, 0}), "xa");
  EXPECT_FALSE(read.is_special(31));
  EXPECT_THROW(read.bytes(32), InternalError);
  EXPECT_THROW(tokenizer(file, 9), DataError);
}

TEST_F(TokenizerJsonTest, SaysWhichTokenATextBeginsWith) {
  json file = byte_level();
  const json special = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  json form = {{"type", "TemplateProcessing"},
               {"single", {special, text}},
               {"pair", {special, text}},
               {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {5}}, {"tokens", {"<s>"}}}}}}};
  const auto tables_with = [&](const json& processor) {
    file["post_processor"] = processor;
    write_bytes(path_, file.dump());
    const TokenizerJson read(path_);
    const TokenizerTables tables = read.tables();
    return tables.bos_token + (tables.add_bos ? "+" : "-");
  };
  EXPECT_EQ(tables_with(nullptr), "-");
  EXPECT_EQ(tables_with(form), "<s>+");
  EXPECT_EQ(tables_with({{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, form}}}), "<s>+");
  form["single"] = {text, special};
  EXPECT_THAT(error_with(byte_level(), "/post_processor", form),
              HasSubstr("post_processor.single.1 adds <s>"));
  form["single"] = {special, text};
  form["special_tokens"]["<s>"]["ids"] = {4};
  EXPECT_THAT(error_with(byte_level(), "/post_processor", form),
              HasSubstr("post_processor.special_tokens.<s>.ids is not the id of the token <s>"));
}

/// A text's identity depends on everything that decides its tokens.
TEST_F(TokenizerJsonTest, ItsNameOfTheWordsTellsFlagsApart) {
  auto name = [&](const json& file) {
    write_bytes(path_, file.dump());
    return TokenizerJson(path_).tables().pre_tokenizer_name;
  };
  json other = byte_level();
  EXPECT_EQ(name(other), name(byte_level()));
  other["model"]["ignore_merges"] = true;
  EXPECT_NE(name(other), name(byte_level()));
}

struct Malformed {
  const char* pointer;
  json value;
  const char* message;
};

TEST_F(TokenizerJsonTest, RefusesByKeyOfTheModel) {
  const Malformed files[] = {
      {"/version", "2.0", "version is 2.0"},
      {"/extra", 1, "extra is an unknown key"},
      {"/model/extra", 1, "model.extra is an unknown key"},
      {"/model/type", "Unigram", "model.type is Unigram; only BPE is supported"},
      {"/model/type", "WordPiece", "model.type is WordPiece"},
      {"/model/dropout", 0.1, "model.dropout is 0.1; it must be unset"},
      {"/model/continuing_subword_prefix", "##", "model.continuing_subword_prefix is \"##\""},
      {"/model/end_of_word_suffix", "</w>", "model.end_of_word_suffix is \"</w>\""},
      {"/model/unk_token", "<u>", "model.unk_token is <u>, which is not a token"},
      {"/model/unk_token", 3, "model.unk_token is not a text"},
      {"/model/fuse_unk", "no", "model.fuse_unk is not true or false"},
      {"/model/byte_fallback", true, "model.byte_fallback is true, and the pre_tokenizer is ByteLevel"},
      {"/model/vocab", json::array(), "model.vocab is not an object with the texts of tokens"},
      {"/model/vocab", json::object(), "model.vocab is not an object with the texts of tokens"},
      {"/model/vocab/ab", -3, "model.vocab.ab is not an id"},
      {"/model/vocab/ab", 1.5, "model.vocab.ab is not an id"},
      {"/model/vocab/ab", 4000000000U, "model.vocab.ab is the id 4000000000, far beyond"},
      {"/model/vocab/ab", 1, "model.vocab has two tokens of id 1"},
      {"/model/vocab/", 7, "model.vocab has a token without a text"},
      {"/model/vocab",
       {{"a", 0}, {"b", 1}, {"\u3042", 2}, {"ab", 3}, {"c", 4}},
       "token 2 is not written in GPT-2's characters for bytes"},
      {"/model/merges", json::object(), "model.merges is not a list"},
      {"/model/merges/0", 7, "model.merges has as merge 0 neither \"a b\" nor [\"a\", \"b\"]"},
      {"/model/merges/1", json::array({"a", "b", "c"}), "model.merges has as merge 1 neither"},
      {"/model/merges/1", json::array({"a", "b c"}), "model.merges has as merge 1 texts with a blank"},
      {"/model/merges/1", "ab", "merge 1 is not two texts with a space between"},
      {"/model/merges/1", "a b", "merge 1 appears twice"},
      {"/model/merges/1", "b a", "merge 1 is of, or makes, a text that is not a token"},
  };
  for (const Malformed& file : files)
    EXPECT_THAT(error_with(byte_level(), file.pointer, file.value), HasSubstr(file.message)) << file.pointer;
}

TEST_F(TokenizerJsonTest, RefusesByKeyOfTheSteps) {
  const Malformed files[] = {
      {"/added_tokens", 1, "added_tokens is not a list"},
      {"/added_tokens/0/special", nullptr, "added_tokens.0.special is not true or false"},
      {"/added_tokens/0/single_word", true, "added_tokens.0.single_word is true, of <s>"},
      {"/added_tokens/0/id", 3, "added_tokens.0.id is 3, and the library gives <s> the id 5"},
      {"/added_tokens/1/content", "<s>", "added_tokens.1.id is 6, and <s> has id 5"},
      {"/added_tokens/1", added(5, "<s>"), "added_tokens.1 is <s> again"},
      {"/added_tokens/1", added(9, "a\nb\x01"), "the library gives a\\nb\\x01 the id 6"},
      {"/added_tokens/0/ki\nnd", 1, "added_tokens.0.ki\\nnd is an unknown key"},
      {"/added_tokens/0/kind", 1, "added_tokens.0.kind is an unknown key"},
      {"/normalizer", {{"type", "Lowercase"}}, "normalizer is Lowercase; NFC"},
      {"/normalizer", {{"kind", 1}}, "normalizer has no key type"},
      {"/normalizer",
       {{"type", "Replace"}, {"pattern", {{"Regex", "a"}}}, {"content", ""}},
       "normalizer.pattern of a normalizer is a Regex"},
      {"/pre_tokenizer", {{"type", "Punctuation"}}, "pre_tokenizer is Punctuation; ByteLevel"},
      {"/pre_tokenizer/use_regexp", true, "pre_tokenizer.use_regexp is an unknown key"},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"Regex", "\\w"}}}, {"behavior", "Isolated"}, {"invert", false}},
       "decoder is ByteLevel, and the pre_tokenizer has no ByteLevel"},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"String", ""}}}, {"behavior", "Isolated"}, {"invert", false}},
       "pre_tokenizer.pattern is empty"},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"String", "a"}}}, {"behavior", "Gone"}, {"invert", false}},
       "pre_tokenizer.behavior is Gone"},
      {"/decoder", {{"type", "WordPiece"}}, "decoder is WordPiece, and the pre_tokenizer has ByteLevel"},
      {"/post_processor", {{"type", "BertProcessing"}}, "post_processor is BertProcessing"},
  };
  for (const Malformed& file : files)
    EXPECT_THAT(error_with(byte_level(), file.pointer, file.value), HasSubstr(file.message)) << file.pointer;
}

TEST_F(TokenizerJsonTest, RefusesByKeyWhatMetaspaceAsksFor) {
  const json sign = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "sometimes"}};
  EXPECT_THAT(error_with(metaspace(), "/pre_tokenizer", sign),
              HasSubstr("pre_tokenizer.prepend_scheme is sometimes"));
  EXPECT_THAT(error_with(metaspace(), "/decoder/decoders/3/start", 2),
              HasSubstr("decoder.decoders.3 is not one blank at the beginning"));
  EXPECT_THAT(error_with(metaspace(), "/decoder/decoders/0/pattern/String", "_"),
              HasSubstr("decoder.decoders.0 makes blanks of _"));
  EXPECT_THAT(error_with(metaspace(), "/decoder", {{"type", "CTC"}}), HasSubstr("decoder is CTC; ByteLevel"));
}

TEST_F(TokenizerJsonTest, RefusesWhatIsNoJson) {
  const std::string good = byte_level().dump();
  EXPECT_THAT(error_of(""), HasSubstr("is not JSON"));
  EXPECT_THAT(error_of(good.substr(0, good.size() / 2)), HasSubstr("is not JSON"));
  EXPECT_THAT(error_of("{\"version\": \"1.0\",}"), StartsWith("byte 18: is not JSON"));
  EXPECT_THAT(error_of("{\"version\": \"\xFF\"}"), HasSubstr("is not JSON"));
  EXPECT_THAT(error_of("{\"version\": 1e999}"), HasSubstr("is not JSON that can be read"));
  EXPECT_THAT(error_of("[1]"), StartsWith("byte 0: is not an object"));
  EXPECT_THAT(error_of("{}"), StartsWith("byte 0: has no key version"));
  EXPECT_THAT(error_of(std::string(200000, '[') + std::string(200000, ']')),
              HasSubstr("are nested more than 100 deep"));
  std::string deep = R"({"type": "NFC"})";
  for (int i = 0; i < 40; ++i) deep = R"({"type": "Sequence", "normalizers": [)" + deep + "]}";
  EXPECT_THAT(error_with(byte_level(), "/normalizer", json::parse(deep)),
              HasSubstr("lies deeper than 32 levels"));
}

TEST_F(TokenizerJsonTest, TellsTheByteOfTheValue) {
  const std::string text =
      R"({"version": "1.0", "model" : {"type": "BPE", "vocab": {"}\"": 0, "b": -1}, "merges": []}})";
  EXPECT_THAT(error_of(text),
              StartsWith("byte " + std::to_string(text.find("-1")) + ": model.vocab.b is not an id"));
}

}  // namespace
}  // namespace apportion
