#include "shared/model_files/folder/text_steps.h"

#include <map>

#include "shared/tokens/pre_tokenizer.h"

namespace apportion {
namespace {

/// A pattern of Replace or Split: {"String": ..} or {"Regex": ..}, not empty.
struct Pattern {
  bool is_regex;
  std::string text;
};

Pattern read_pattern(const JsonNode& node) {
  node.expect_keys({"String", "Regex"});
  if (node.value().size() != 1) node.fail("is not {\"String\": ..} or {\"Regex\": ..}");
  const bool is_regex = node.has("Regex");
  Pattern pattern{is_regex, node.at(is_regex ? "Regex" : "String").text()};
  if (pattern.text.empty()) node.fail("is empty");
  return pattern;
}

void read_replace(const JsonNode& node, TokenizerTables& tables) {
  node.expect_keys({"type", "pattern", "content"});
  Pattern pattern = read_pattern(node.at("pattern"));
  if (pattern.is_regex) node.at("pattern").fail("of a normalizer is a Regex; only a String is supported");
  tables.normalizer.push_back({NormalizerStep::Kind::replace, pattern.text, node.at("content").text()});
}

PreTokenizerStep step_of(PreTokenizerStep::Kind kind, std::string_view pattern = {}) {
  PreTokenizerStep step;
  step.kind = kind;
  step.pattern = pattern;
  return step;
}

SplitBehaviour read_behaviour(const JsonNode& node) {
  static const std::map<std::string, SplitBehaviour> names = {
      {"Isolated", SplitBehaviour::isolated},
      {"Removed", SplitBehaviour::removed},
      {"MergedWithPrevious", SplitBehaviour::merged_with_previous},
      {"MergedWithNext", SplitBehaviour::merged_with_next},
      {"Contiguous", SplitBehaviour::contiguous}};
  const auto found = names.find(node.text());
  if (found == names.end()) {
    node.fail("is " + node.text() +
              "; Isolated, Removed, MergedWithPrevious, MergedWithNext and Contiguous are supported");
  }
  return found->second;
}

void read_split(const JsonNode& node, TokenizerTables& tables) {
  node.expect_keys({"type", "pattern", "behavior", "invert"});
  const Pattern pattern = read_pattern(node.at("pattern"));
  PreTokenizerStep step =
      step_of(pattern.is_regex ? PreTokenizerStep::Kind::regex : PreTokenizerStep::Kind::text, pattern.text);
  step.behaviour = read_behaviour(node.at("behavior"));
  step.invert = node.at("invert").boolean();
  tables.pre_tokenizer.value.push_back(std::move(step));
}

void read_metaspace(const JsonNode& node, TokenizerTables& tables) {
  node.expect_keys({"type", "replacement", "prepend_scheme", "add_prefix_space", "str_rep", "split"});
  PreTokenizerStep step = step_of(PreTokenizerStep::Kind::metaspace, node.at("replacement").text());
  if (step.pattern.empty()) node.at("replacement").fail("is empty");
  step.blank = metaspace_scheme(node);
  step.split = node.boolean_or("split", true);
  tables.pre_tokenizer.value.push_back(std::move(step));
}

void read_byte_level(const JsonNode& node, TokenizerTables& tables) {
  // trim_offsets only moves places; ours cover all of a token's bytes.
  node.expect_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  if (node.at("add_prefix_space").boolean())
    tables.pre_tokenizer.value.push_back(step_of(PreTokenizerStep::Kind::blank_before));
  if (node.boolean_or("use_regex", true))
    tables.pre_tokenizer.value.push_back(step_of(PreTokenizerStep::Kind::regex, gpt2_pattern));
  tables.alphabet = TokenAlphabet::bytes;
}

}  // namespace

BlankBefore metaspace_scheme(const JsonNode& metaspace) {
  const bool has_scheme = metaspace.has("prepend_scheme");
  if (metaspace.has("add_prefix_space")) {
    const bool wanted = metaspace.at("add_prefix_space").boolean();
    if (!has_scheme) return wanted ? BlankBefore::always : BlankBefore::never;
    if (!wanted && metaspace.at("prepend_scheme").text() != "never")
      metaspace.at("add_prefix_space").fail("is false, and prepend_scheme is not never");
  }
  if (!has_scheme) return BlankBefore::always;
  const JsonNode scheme = metaspace.at("prepend_scheme");
  if (scheme.text() == "always") return BlankBefore::always;
  if (scheme.text() == "first") return BlankBefore::first;
  if (scheme.text() != "never")
    scheme.fail("is " + scheme.text() + "; always, first and never are supported");
  return BlankBefore::never;
}

void read_normalizer(const JsonNode& normalizer, TokenizerTables& tables) {
  if (normalizer.is_null()) return;
  const std::string& type = normalizer.type();
  if (type == "Sequence") {
    normalizer.expect_keys({"type", "normalizers"});
    for (const JsonNode& step : normalizer.at("normalizers").items()) read_normalizer(step, tables);
  } else if (type == "Replace") {
    read_replace(normalizer, tables);
  } else if (type == "Prepend") {
    normalizer.expect_keys({"type", "prepend"});
    tables.normalizer.push_back({NormalizerStep::Kind::prepend, {}, normalizer.at("prepend").text()});
  } else if (type == "NFC" || type == "NFKC") {
    normalizer.expect_keys({"type"});
    const auto kind = type == "NFC" ? NormalizerStep::Kind::nfc : NormalizerStep::Kind::nfkc;
    tables.normalizer.push_back({kind, {}, {}});
  } else {
    normalizer.fail("is " + type + "; NFC, NFKC, Replace, Prepend and Sequence are supported");
  }
}

void read_pre_tokenizer(const JsonNode& pre_tokenizer, TokenizerTables& tables) {
  if (pre_tokenizer.is_null()) return;
  const std::string& type = pre_tokenizer.type();
  if (tables.alphabet == TokenAlphabet::bytes) {
    pre_tokenizer.fail("comes after ByteLevel, which is supported only as the last step");
  }
  if (type == "Sequence") {
    pre_tokenizer.expect_keys({"type", "pretokenizers"});
    for (const JsonNode& step : pre_tokenizer.at("pretokenizers").items()) read_pre_tokenizer(step, tables);
  } else if (type == "Split") {
    read_split(pre_tokenizer, tables);
  } else if (type == "Digits") {
    pre_tokenizer.expect_keys({"type", "individual_digits"});
    PreTokenizerStep step = step_of(PreTokenizerStep::Kind::digits);
    if (!pre_tokenizer.at("individual_digits").boolean()) step.behaviour = SplitBehaviour::contiguous;
    tables.pre_tokenizer.value.push_back(std::move(step));
  } else if (type == "Metaspace") {
    read_metaspace(pre_tokenizer, tables);
  } else if (type == "ByteLevel") {
    read_byte_level(pre_tokenizer, tables);
  } else {
    pre_tokenizer.fail("is " + type + "; ByteLevel, Split, Digits, Metaspace and Sequence are supported");
  }
}

}  // namespace apportion
