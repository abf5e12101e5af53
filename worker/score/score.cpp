#include "worker/score/score.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/model_files.h"
#include "shared/tokens/chat_template.h"
#include "worker/device.h"
#include "worker/device_memory.h"
#include "worker/models/adapter_file.h"
#include "worker/train/replay.h"

namespace apportion {
namespace {

using nlohmann::json;

/// Rows that go through the model together.
constexpr size_t rows_together = 16;

/// The model, and what turns a row into tokens.
class Scorer {
 public:
  Scorer(const ScoreRequest& request, const RunConfig& config, const RankPlace& place)
      : files_(open_model(config.data.model)), tokenizer_(files_->tokenizer()) {
    at::set_num_threads(place.allowed_threads);
    const at::Device device = compute_device(place.local_rank);
    weights_ = std::make_unique<WeightSource>(files_->tensors());
    const at::ScalarType type = resolve_compute_type(config.measure_compute_type);
    map_large_blocks();
    model_ = std::make_unique<Llama>(*weights_, files_->shape(), type, device);
    if (request.adapter.empty()) return;
    adapter_ = std::make_unique<Adapter>(load_adapter(request.adapter, model_->shape(), device));
    adapter_->refresh(type);
  }

  /// The tokens of a row: {"prompt": TEXT or turns, "answer": TEXT} or {"prompt_ids": [...], "answer_ids":
  /// [...]}. Throws UserError, without saying in which line.
  ReplayRow row_of(const json& row) {
    if (!row.is_object()) throw UserError("it is not a JSON object");
    ReplayRow tokens;
    if (row.contains("prompt_ids") || row.contains("answer_ids")) {
      check_keys(row, {"prompt_ids", "answer_ids"});
      tokens = {ids_of(row, "prompt_ids"), ids_of(row, "answer_ids")};
    } else {
      check_keys(row, {"prompt", "answer"});
      tokens = encode(row.at("prompt"), text_of(row, "answer"));
    }
    if (tokens.prompt.empty() || tokens.answer.empty())
      throw UserError("prompt and answer need a token each");
    const size_t tokens_in_all = tokens.prompt.size() + tokens.answer.size();
    if (tokens_in_all > static_cast<size_t>(model_->shape().context_length)) {
      throw UserError("its " + std::to_string(tokens_in_all) +
                      " tokens are more than the model's context of " +
                      std::to_string(model_->shape().context_length));
    }
    return tokens;
  }

  /// For each row, the log-probs of its answer's tokens.
  std::vector<std::vector<float>> log_probs(const std::vector<ReplayRow>& rows) const {
    std::vector<const ReplayRow*> pointers;
    for (const ReplayRow& row : rows) pointers.push_back(&row);
    const at::Tensor values = answer_log_probs(*model_, adapter_.get(), pointers);
    const auto* next = values.const_data_ptr<float>();
    std::vector<std::vector<float>> all;
    for (const ReplayRow& row : rows) {
      all.emplace_back(next, next + row.answer.size());
      next += row.answer.size();
    }
    return all;
  }

 private:
  static void check_keys(const json& row, std::initializer_list<const char*> right) {
    for (const char* key : right) {
      if (!row.contains(key)) throw UserError("it has no " + std::string(key));
    }
    for (const auto& [key, value] : row.items()) {
      if (std::find(right.begin(), right.end(), key) == right.end())
        throw UserError("it has the key " + key +
                        "; prompt and answer, or prompt_ids and answer_ids are expected");
    }
  }

  static std::string text_of(const json& row, const char* key) {
    if (!row.at(key).is_string()) throw UserError(std::string(key) + " is not a text");
    return row.at(key).get<std::string>();
  }

  std::vector<int32_t> ids_of(const json& row, const char* key) const {
    std::vector<int32_t> ids;
    if (!row.at(key).is_array()) throw UserError(std::string(key) + " is not a list");
    for (const json& id : row.at(key)) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(model_->shape().vocabulary))
        throw UserError(std::string(key) + " has " + id.dump() + "; ids below " +
                        std::to_string(model_->shape().vocabulary) + " are expected");
      ids.push_back(id.get<int32_t>());
    }
    return ids;
  }

  ReplayRow encode(const json& prompt, const std::string& answer) {
    if (prompt.is_string()) return encode_raw(prompt.get<std::string>(), answer);
    if (!chat_) chat_ = std::make_unique<ChatTemplate>(files_->tokenizer(), tokenizer_);
    EncodedTurn turn = chat_->encode_turns(messages_of(prompt), answer);
    return {std::move(turn.prompt), std::move(turn.answer)};
  }

  static bool is_turn(const json& turn) {
    static const std::set<json> roles = {"system", "user", "assistant"};
    return turn.is_object() && turn.size() == 2 && roles.contains(turn.value("role", json())) &&
           turn.value("content", json()).is_string();
  }

  /// Views of the row's texts.
  static std::vector<ChatMessage> messages_of(const json& prompt) {
    std::vector<ChatMessage> messages;
    const bool is_list = prompt.is_array() && std::all_of(prompt.begin(), prompt.end(), is_turn);
    for (size_t turn = 0; is_list && turn < prompt.size(); ++turn)
      messages.push_back({prompt[turn]["role"].get_ref<const std::string&>(),
                          prompt[turn]["content"].get_ref<const std::string&>()});
    if (messages.empty() || messages.back().role != "user") {
      throw UserError(
          R"(prompt is neither a text nor turns as {"role": "user", "content": TEXT}, the last of which is )"
          R"(the user's; system and assistant are the other roles)");
    }
    return messages;
  }

  /// Encodes without a template: the answer's tokens are those that it adds to the text's.
  ReplayRow encode_raw(const std::string& prompt, const std::string& answer) const {
    ReplayRow row;
    for (const TokenSpan& token : tokenizer_.encode(prompt + answer, SpecialTokens::parse)) {
      if (token.begin < prompt.size() && token.end > prompt.size())
        throw UserError("a token spans both prompt and answer; cut the text elsewhere");
      (token.begin < prompt.size() ? row.prompt : row.answer).push_back(token.id);
    }
    return row;
  }

  std::unique_ptr<ModelFiles> files_;
  Tokenizer tokenizer_;
  std::unique_ptr<ChatTemplate> chat_;
  std::unique_ptr<WeightSource> weights_;
  std::unique_ptr<Llama> model_;
  std::unique_ptr<Adapter> adapter_;
};

std::string line_of(const ReplayRow& row, const std::vector<float>& log_probs) {
  std::vector<int32_t> ids = row.prompt;
  ids.insert(ids.end(), row.answer.begin(), row.answer.end());
  nlohmann::ordered_json line;
  line["ids"] = ids;
  line["prompt_tokens"] = row.prompt.size();
  line["log_probs"] = log_probs;
  return line.dump() + "\n";
}

}  // namespace

void score_rows(const ScoreRequest& request, const RunConfig& config, const RankPlace& place,
                const std::function<void(const std::string&)>& write) {
  std::istringstream lines(read_file(request.rows_file));
  Scorer scorer(request, config, place);
  std::vector<ReplayRow> rows;
  auto flush = [&] {
    if (rows.empty()) return;
    const auto log_probs = scorer.log_probs(rows);
    for (size_t row = 0; row < rows.size(); ++row) write(line_of(rows[row], log_probs[row]));
    rows.clear();
  };
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      rows.push_back(scorer.row_of(json::parse(line)));
    } catch (const json::exception&) {
      throw UserError(request.rows_file + ", line " + std::to_string(number) + ": it is not JSON");
    } catch (const UserError& error) {
      throw UserError(request.rows_file + ", line " + std::to_string(number) + ": " + error.what());
    }
    if (rows.size() == rows_together) flush();
  }
  flush();
}

}  // namespace apportion
