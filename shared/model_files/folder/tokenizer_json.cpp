#include "shared/model_files/folder/tokenizer_json.h"

#include <algorithm>

#include "shared/model_files/folder/text_steps.h"

namespace apportion {
namespace {

/// Reads an id, which must be below `most`.
uint64_t read_id(const JsonNode& node, size_t most) {
  if (!node.value().is_number_unsigned()) node.fail("is not an id, a natural number");
  const auto id = node.value().get<uint64_t>();
  if (id >= most) {
    node.fail("is the id " + std::to_string(id) + ", far beyond the number of tokens (" +
              std::to_string(most) + " is too much)");
  }
  return id;
}

bool is_byte_name(const std::string& text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return text.size() == 6 && text.substr(0, 3) == "<0x" && text[5] == '>' &&
         digits.find(text[3]) != std::string_view::npos && digits.find(text[4]) != std::string_view::npos;
}

/// Fails where the key has a value that is neither null nor empty nor zero.
void expect_none(const JsonNode& node, const std::string& key) {
  if (!node.has(key)) return;
  const JsonNode value = node.at(key);
  const bool none = value.value() == "" || value.value() == 0;
  if (!none)
    value.fail("is " + value.value().dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) +
               "; it must be unset");
}

/// What decides tokens besides the tables, for a model's identity.
std::string rules_text(const nlohmann::json& root) {
  nlohmann::json model = root.at("model");
  model.erase("vocab");
  model.erase("merges");
  const auto of = [&](const char* key) { return root.value(key, nlohmann::json()); };
  const nlohmann::json rules = {{"normalizer", of("normalizer")},
                                {"pre_tokenizer", of("pre_tokenizer")},
                                {"added_tokens", of("added_tokens")},
                                {"model", model}};
  return rules.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// What the normalizer or Metaspace puts in place of a blank; empty when blanks stay.
std::string blank_sign_of(const TokenizerTables& tables) {
  for (const NormalizerStep& step : tables.normalizer) {
    if (step.kind == NormalizerStep::Kind::replace && step.pattern == " ") return step.content;
  }
  for (const PreTokenizerStep& step : tables.pre_tokenizer.value) {
    if (step.kind == PreTokenizerStep::Kind::metaspace) return step.pattern;
  }
  return {};
}

}  // namespace

TokenizerJson::TokenizerJson(const std::string& path) {
  const JsonFile file(path);
  const JsonNode root(file);
  // truncation and padding are for the library's batches; no text is cut or filled here.
  root.expect_keys({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                    "post_processor", "decoder", "model"});
  if (const JsonNode version = root.at("version"); version.text() != "1.0")
    version.fail("is " + version.text() + "; only 1.0 is supported");
  tables_.file = path;
  tables_.alphabet = TokenAlphabet::characters;  // unless ByteLevel is there
  if (root.has("normalizer")) read_normalizer(root.at("normalizer"), tables_);
  if (root.has("pre_tokenizer")) {
    read_pre_tokenizer(root.at("pre_tokenizer"), tables_);
    tables_.pre_tokenizer.offset = root.at("pre_tokenizer").offset();
  }
  tables_.blank_sign = blank_sign_of(tables_);
  read_model(root.at("model"));
  if (root.has("added_tokens")) read_added_tokens(root.at("added_tokens"));
  read_unknown(root.at("model"));
  if (root.has("decoder")) read_decoder(root.at("decoder"));
  if (root.has("post_processor")) read_post_processor(root.at("post_processor"));
  tables_.pre_tokenizer_name = rules_text(file.root());
  ids_.clear();
}

int64_t TokenizerJson::id_of(const std::string& text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? -1 : found->second;
}

void TokenizerJson::read_model(const JsonNode& model) {
  // Files of the first years do not have it.
  const std::string type = model.has("type") ? model.at("type").text() : "BPE";
  if (type != "BPE") model.at("type").fail("is " + type + "; only BPE is supported");
  model.expect_keys({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                     "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    expect_none(model, key);
  tables_.fuse_unknown = model.boolean_or("fuse_unk", false);
  tables_.ignore_merges = model.boolean_or("ignore_merges", false);
  tables_.byte_fallback = model.boolean_or("byte_fallback", false);
  if (tables_.byte_fallback && tables_.alphabet == TokenAlphabet::bytes) {
    model.at("byte_fallback")
        .fail("is true, and the pre_tokenizer is ByteLevel: only one of the two is supported");
  }
  read_vocabulary(model.at("vocab"));
  read_merges(model.at("merges"));
  tables_.merges.offset = model.at("merges").offset();
}

void TokenizerJson::add_token(const JsonNode& place, const std::string& text, uint64_t id, TokenKind kind) {
  if (text.empty()) place.fail("has a token without a text, of id " + std::to_string(id));
  if (id >= tokens_.size()) {
    tokens_.resize(id + 1);
    kinds_.resize(id + 1, static_cast<int64_t>(TokenKind::unused));
  }
  if (!tokens_[id].empty()) place.fail("has two tokens of id " + std::to_string(id));
  tokens_[id] = text;
  kinds_[id] = static_cast<int64_t>(kind);
  ids_.emplace(text, static_cast<int32_t>(id));
}

void TokenizerJson::read_vocabulary(const JsonNode& vocabulary) {
  if (!vocabulary.value().is_object() || vocabulary.value().empty())
    vocabulary.fail("is not an object with the texts of tokens and their ids");
  // Some files skip ids, but no file may make tables of any size.
  most_ids_ = 2 * vocabulary.value().size() + 65536;
  for (const auto& [text, id] : vocabulary.value().items()) {
    const bool is_byte = tables_.byte_fallback && is_byte_name(text);
    const bool is_good = id.is_number_unsigned() && id.get<uint64_t>() < most_ids_;
    add_token(vocabulary, text, is_good ? id.get<uint64_t>() : read_id(vocabulary.at(text), most_ids_),
              is_byte ? TokenKind::byte : TokenKind::normal);
  }
  next_added_ = vocabulary.value().size();
  tables_.tokens.offset = vocabulary.offset();
  tables_.kinds.offset = tables_.tokens.offset;
}

void TokenizerJson::read_added_token(const JsonNode& token) {
  token.expect_keys({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  const std::string& text = token.at("content").text();
  const uint64_t id = read_id(token.at("id"), most_ids_);
  const TokenKind kind = token.at("special").boolean() ? TokenKind::control : TokenKind::user_defined;
  const AddedTokenRule rule{token.at("normalized").boolean(), token.at("lstrip").boolean(),
                            token.at("rstrip").boolean()};
  if (token.at("single_word").boolean())
    token.at("single_word").fail("is true, of " + text + "; only false is supported");
  const int64_t known = id_of(text);
  if (known >= 0 && static_cast<uint64_t>(known) != id)
    token.at("id").fail("is " + std::to_string(id) + ", and " + text + " has id " + std::to_string(known));
  if (known < 0) {
    // The library gives new tokens the ids after the vocabulary in the order of the file, whatever the file
    // says.
    if (id != next_added_)
      token.at("id").fail("is " + std::to_string(id) + ", and the library gives " + text + " the id " +
                          std::to_string(next_added_) + ", the next after the vocabulary");
    add_token(token, text, id, kind);
  } else if (kinds_[id] == static_cast<int64_t>(TokenKind::control) ||
             kinds_[id] == static_cast<int64_t>(TokenKind::user_defined)) {
    token.fail("is " + text + " again");
  } else {
    kinds_[id] = static_cast<int64_t>(kind);
  }
  next_added_ = std::max(next_added_, id + 1);
  if (rule.normalized || rule.blanks_left || rule.blanks_right)
    tables_.added_rules.emplace(static_cast<int32_t>(id), rule);
}

void TokenizerJson::read_added_tokens(const JsonNode& list) {
  const std::vector<JsonNode> tokens = list.items();
  most_ids_ += tokens.size();
  for (const JsonNode& token : tokens) read_added_token(token);
}

void TokenizerJson::read_merges(const JsonNode& merges) {
  if (!merges.value().is_array()) merges.fail("is not a list");
  merges_.reserve(merges.value().size());
  for (const nlohmann::json& merge : merges.value()) {
    auto fail = [&](const std::string& reason) {
      merges.fail("has as merge " + std::to_string(merges_.size()) + " " + reason);
    };
    if (merge.is_string()) {  // in older files; bpe.h checks that it is two texts
      merges_.push_back(merge.get<std::string>());
      continue;
    }
    if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string())
      fail("neither \"a b\" nor [\"a\", \"b\"]");
    const auto& left = merge[0].get_ref<const std::string&>();
    const auto& right = merge[1].get_ref<const std::string&>();
    if (left.find(' ') != std::string::npos || right.find(' ') != std::string::npos)
      fail("texts with a blank, which are not supported");
    merges_.push_back(left + ' ' + right);
  }
}

void TokenizerJson::read_unknown(const JsonNode& model) {
  if (!model.has("unk_token") || model.at("unk_token").text().empty()) return;
  const JsonNode unknown = model.at("unk_token");
  tables_.unknown = static_cast<int32_t>(id_of(unknown.text()));
  if (tables_.unknown < 0) unknown.fail("is " + unknown.text() + ", which is not a token");
}

void TokenizerJson::check_decoder_sign(const JsonNode& node, const std::string& sign) const {
  if (sign != tables_.blank_sign)
    node.fail("makes blanks of " + sign + ", and the text's blanks become \"" + tables_.blank_sign + "\"");
}

/// Reads how tokens become text again, which must undo what the normalizer or the pre-tokenizer did.
void TokenizerJson::read_decoder(const JsonNode& decoder) {
  const std::string& type = decoder.type();
  if (type == "Sequence") {
    decoder.expect_keys({"type", "decoders"});
    for (const JsonNode& step : decoder.at("decoders").items()) read_decoder(step);
    return;
  }
  const bool bytes = tables_.alphabet == TokenAlphabet::bytes;
  if (bytes != (type == "ByteLevel")) {
    decoder.fail("is " + type + ", and the pre_tokenizer has " + (bytes ? "" : "no ") + "ByteLevel");
  }
  if (type == "ByteLevel" || type == "ByteFallback" || type == "Fuse") return;
  if (type == "Replace") {
    decoder.expect_keys({"type", "pattern", "content"});
    if (!decoder.at("pattern").has("String") || decoder.at("content").text() != " ")
      decoder.fail("is not one of a String by a blank, the only one supported");
    check_decoder_sign(decoder, decoder.at("pattern").at("String").text());
  } else if (type == "Metaspace") {
    decoder.expect_keys({"type", "replacement", "prepend_scheme", "add_prefix_space", "str_rep", "split"});
    check_decoder_sign(decoder, decoder.at("replacement").text());
    tables_.drop_first_blank = metaspace_scheme(decoder) != BlankBefore::never;
  } else if (type == "Strip") {
    decoder.expect_keys({"type", "content", "start", "stop"});
    if (decoder.at("content").text() != " " || decoder.at("start").value() != 1 ||
        decoder.at("stop").value() != 0)
      decoder.fail("is not one blank at the beginning (start 1, stop 0), the only one supported");
    tables_.drop_first_blank = true;
  } else {
    decoder.fail("is " + type +
                 "; ByteLevel, ByteFallback, Fuse, Replace, Metaspace, Strip and Sequence are supported");
  }
}

/// Only the token at the start of a text matters here: places of tokens are not trimmed.
void TokenizerJson::read_post_processor(const JsonNode& processor) {
  const std::string& type = processor.type();
  if (type == "Sequence") {
    processor.expect_keys({"type", "processors"});
    for (const JsonNode& step : processor.at("processors").items()) read_post_processor(step);
  } else if (type == "TemplateProcessing") {
    read_template(processor);
  } else if (type != "ByteLevel") {
    processor.fail("is " + type + "; ByteLevel, TemplateProcessing and Sequence are supported");
  }
}

void TokenizerJson::read_template(const JsonNode& processor) {
  processor.expect_keys({"type", "single", "pair", "special_tokens"});
  bool after_text = false;
  for (const JsonNode& piece : processor.at("single").items()) {
    piece.expect_keys({"SpecialToken", "Sequence"});
    if (piece.has("Sequence")) {
      after_text = true;
      continue;
    }
    const JsonNode name = piece.at("SpecialToken").at("id");
    if (after_text || tables_.add_bos)
      piece.fail("adds " + name.text() + "; only one token before the text is supported");
    const JsonNode special = processor.at("special_tokens").at(name.text());
    const nlohmann::json& ids = special.at("ids").value();
    if (!ids.is_array() || ids.size() != 1 || ids[0] != id_of(name.text()))
      special.at("ids").fail("is not the id of the token " + name.text());
    tables_.bos_token = name.text();
    tables_.add_bos = true;
  }
  if (!after_text) processor.at("single").fail("has no Sequence, so no text");
}

TokenizerTables TokenizerJson::tables() const {
  TokenizerTables tables = tables_;
  tables.tokens.value = tokens_;
  tables.kinds.value = kinds_;
  tables.merges.value = merges_;
  return tables;
}

}  // namespace apportion
