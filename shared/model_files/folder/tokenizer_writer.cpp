#include "shared/model_files/folder/tokenizer_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "shared/base/error.h"

namespace apportion {
namespace {

using nlohmann::ordered_json;

ordered_json normalizer_of(const TokenizerTables& tables) {
  if (tables.normalizer.empty()) return nullptr;
  ensure(tables.normalizer.size() == 1 && tables.normalizer[0].kind == NormalizerStep::Kind::nfc,
         "a byte-level vocabulary's texts are composed or left");
  return {{"type", "NFC"}};
}

ordered_json step_of(const PreTokenizerStep& step) {
  if (step.kind == PreTokenizerStep::Kind::digits) return {{"type", "Digits"}, {"individual_digits", true}};
  ensure(step.kind == PreTokenizerStep::Kind::regex && step.behaviour == SplitBehaviour::isolated,
         "a byte-level vocabulary's words are cut by digits and patterns");
  return {{"type", "Split"},
          {"pattern", {{"Regex", step.pattern}}},
          {"behavior", "Isolated"},
          {"invert", step.invert}};
}

ordered_json byte_level() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
}

ordered_json pre_tokenizer_of(const TokenizerTables& tables) {
  ordered_json steps = ordered_json::array();
  for (const PreTokenizerStep& step : tables.pre_tokenizer.value) steps.push_back(step_of(step));
  steps.push_back(byte_level());
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

/// Special tokens are also in the vocabulary, which gives them their ids.
ordered_json added_tokens_of(const TokenizerTables& tables) {
  ordered_json added = ordered_json::array();
  for (size_t id = 0; id < tables.tokens.value.size(); ++id) {
    const auto kind = static_cast<TokenKind>(tables.kinds.value[id]);
    if (kind != TokenKind::control && kind != TokenKind::user_defined) continue;
    added.push_back({{"id", id},
                     {"content", tables.tokens.value[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", kind == TokenKind::control}});
  }
  return added;
}

ordered_json model_of(const TokenizerTables& tables) {
  ordered_json model = {{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", nullptr},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", false},
                        {"byte_fallback", false},
                        {"ignore_merges", tables.ignore_merges}};
  // Appended, because an ordered object's [] searches everything it has. Unused ids have no text, and of
  // several tokens with one text the first is found.
  ordered_json::object_t vocabulary;
  std::unordered_set<std::string_view> texts;
  for (size_t id = 0; id < tables.tokens.value.size(); ++id) {
    const std::string& text = tables.tokens.value[id];
    if (!text.empty() && texts.insert(text).second) vocabulary.emplace_back(text, id);
  }
  model["vocab"] = std::move(vocabulary);
  model["merges"] = std::vector<std::string>(tables.merges.value.begin(), tables.merges.value.end());
  return model;
}

ordered_json config_of(const TokenizerTables& tables) {
  ordered_json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                         {"clean_up_tokenization_spaces", false}};
  if (!tables.bos_token.empty()) config["bos_token"] = tables.bos_token;
  if (!tables.eos_token.empty()) config["eos_token"] = tables.eos_token;
  if (tables.chat_template.value) config["chat_template"] = *tables.chat_template.value;
  return config;
}

/// Makes transformers put the first token before each text.
ordered_json post_processor_of(const TokenizerTables& tables) {
  if (!tables.add_bos || tables.bos_token.empty()) return byte_level();
  const ordered_json first = {{"SpecialToken", {{"id", tables.bos_token}, {"type_id", 0}}}},
                     text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const auto& tokens = tables.tokens.value;
  const auto id = std::find(tokens.begin(), tokens.end(), tables.bos_token) - tokens.begin();
  return {{"type", "TemplateProcessing"},
          {"single", {first, text}},
          {"pair", {first, text, {{"Sequence", {{"id", "B"}, {"type_id", 1}}}}}},
          {"special_tokens",
           {{tables.bos_token, {{"id", tables.bos_token}, {"ids", {id}}, {"tokens", {tables.bos_token}}}}}}};
}

}  // namespace

std::map<std::string, std::string> tokenizer_files(const TokenizerTables& tables) {
  if (tables.alphabet != TokenAlphabet::bytes || tables.folded_to > 0) return {};
  const ordered_json tokenizer = {{"version", "1.0"},
                                  {"truncation", nullptr},
                                  {"padding", nullptr},
                                  {"added_tokens", added_tokens_of(tables)},
                                  {"normalizer", normalizer_of(tables)},
                                  {"pre_tokenizer", pre_tokenizer_of(tables)},
                                  {"post_processor", post_processor_of(tables)},
                                  {"decoder", byte_level()},
                                  {"model", model_of(tables)}};
  return {{"tokenizer.json", tokenizer.dump(1) + "\n"},
          {"tokenizer_config.json", config_of(tables).dump(2) + "\n"}};
}

}  // namespace apportion
