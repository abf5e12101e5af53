#include "coordinator/inspect/inspect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "shared/architecture/block.h"
#include "shared/architecture/lora_targets.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/data/example.h"
#include "shared/model/memory.h"
#include "shared/model/steering.h"
#include "shared/model_files/model_files.h"
#include "shared/tokens/chat_template.h"
#include "shared/tokens/tokenizer.h"

namespace apportion {
namespace {

constexpr const char* example = "What is the gender of a nurse?";

std::string line(const std::string& name, const std::string& text) {
  return fmt::format("{:<10}{}\n", name, text);
}

/// "134,515,008".
std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto place = static_cast<std::ptrdiff_t>(digits.size()) - 3; place > 0; place -= 3)
    digits.insert(static_cast<size_t>(place), ",");
  return digits;
}

std::string megabytes(double bytes) {
  constexpr double few = 1e7;
  if (bytes < few) return fmt::format("{:.1f} MB", bytes / 1e6);
  return fmt::format("{} MB", grouped(std::llround(bytes / 1e6)));
}

std::string shape_lines(const ModelShape& shape) {
  std::string text =
      line("family", fmt::format("{}: {} blocks of width {}; {} heads of {}, {} of keys and values; "
                                 "feed-forward {}; context {}",
                                 shape.architecture, shape.layers, shape.width, shape.heads, shape.head_dim,
                                 shape.kv_heads, shape.ffn_width, grouped(shape.context_length)));
  std::vector<std::string> parts = {shape.tied_embedding ? "the embedding is the head" : "a head of its own"};
  if (shape.qkv_bias) parts.emplace_back("biases of queries, keys and values");
  if (shape.qk_norm) parts.emplace_back("norms of queries and keys");
  if (shape.output_norms) parts.emplace_back("norms of what attention and feed-forward add");
  if (shape.activation == Activation::gelu) parts.emplace_back("GELU");
  if (shape.attention_cap > 0) parts.push_back(fmt::format("scores capped at {}", shape.attention_cap));
  if (shape.window > 0) {
    parts.push_back(fmt::format("a window of {} tokens in {} of {} blocks", grouped(shape.window),
                                std::count(shape.windowed.begin(), shape.windowed.end(), true),
                                shape.layers));
  }
  if (shape.logits_cap > 0) parts.push_back(fmt::format("logits capped at {}", shape.logits_cap));
  parts.push_back(fmt::format("rotations of theta {}{}", shape.rope_theta,
                              shape.rope_divisors.empty() ? "" : ", the slow ones slowed down"));
  return text + line("", fmt::format("{}", fmt::join(parts, "; ")));
}

std::string weight_lines(const ModelFiles& files) {
  std::map<std::string, double> bytes;
  const std::unique_ptr<TensorReader> tensors = files.tensors();
  for (const auto& [name, sizes] : tensors->tensors()) {
    const auto type = tensors->stored_type(name);
    int64_t elements = 1;
    for (const int64_t size : sizes) elements *= size;
    if (!type) continue;
    const BlockLayout layout = block_layout(*type);
    bytes[type_name(*type)] += static_cast<double>(elements) / static_cast<double>(layout.elements) *
                               static_cast<double>(layout.bytes);
  }
  std::string types;
  for (const auto& [type, size] : bytes)
    types += (types.empty() ? "; " : ", ") + megabytes(size) + " " + type;
  return line("weights", grouped(files.shape().parameters()) + " parameters" + types);
}

/// A kind of steering texts: its value of the key `steering`, and which texts are one token right after the
/// prompt.
struct SteeringTexts {
  std::string value;
  std::vector<std::string> all, good;
  size_t leading;  // how many of the first are good: enough for as many categories
};

SteeringTexts steering_texts(const ChatTemplate& chat, Steering steering, const std::string& value) {
  SteeringTexts texts{value, {}, {}, 0};
  for (int category = 0; category < most_steered(steering); ++category) {
    const std::string& text = texts.all.emplace_back(steering_text(steering, category));
    if (steering_token(chat, example, text) < 0) continue;
    texts.good.push_back(text);
    if (texts.good.size() == texts.all.size()) texts.leading = texts.all.size();
  }
  return texts;
}

/// "0 to 9", "A to Z".
std::string described(const SteeringTexts& texts) {
  const std::string range = texts.all.front() + " to " + texts.all.back();
  if (texts.good.empty()) return "none of " + range;
  if (texts.leading == texts.all.size()) return range;
  const std::string blank = texts.value == "word" ? " " : "";
  return fmt::format("{} alone of {}", fmt::join(texts.good, blank), range);
}

std::string steering_lines(const ChatTemplate& chat) {
  std::vector<std::string> each, chosen;
  size_t categories = 0;
  for (const auto& [steering, value] :
       {std::pair{Steering::digit, "digit"}, std::pair{Steering::letter, "letter"},
        std::pair{Steering::word, "word"}}) {
    const SteeringTexts texts = steering_texts(chat, steering, value);
    each.push_back(described(texts));
    if (texts.leading <= categories) continue;
    categories = texts.leading;
    chosen.push_back(fmt::format("{}{} up to {}", value, chosen.empty() ? " for" : "", categories));
  }
  const std::string taken =
      chosen.empty() ? "nothing: use path" : fmt::format("{} categories", fmt::join(chosen, ", "));
  return line("steering", fmt::format("one token each, right after the prompt: {}", fmt::join(each, "; "))) +
         line("", "steering = auto takes " + taken);
}

std::string token_lines(const ModelFiles& files, const std::string& system) {
  const TokenizerTables tables = files.tokenizer();
  std::string text;
  try {
    const Tokenizer tokenizer(tables);
    text += line("tokens",
                 fmt::format("{} in {} rows; {}{}", grouped(static_cast<int64_t>(tables.tokens.value.size())),
                             grouped(files.shape().vocabulary),
                             tables.scores.value.empty() ? "byte-pair encoding" : "SentencePiece's scores",
                             tables.add_bos ? ", each text begins with " + tables.bos_token : ""));
    const ChatTemplate chat(tables, tokenizer, system);
    text += line("template", json_text(nlohmann::json(chat.render_prompt(example))));
    text += line("", fmt::format("an answer ends with {}", std::string(tokenizer.bytes(chat.end_of_turn()))));
    text += steering_lines(chat);
  } catch (const Error& error) {
    text += line("refused", error.what());
  }
  return text;
}

std::string training_lines(const ModelShape& shape, const RunConfig& config) {
  const auto adapter = adapter_parameters(shape, config.lora);
  std::string targets;
  for (const FusedLayers& product : describe_block(shape).products) {
    for (const LinearLayer& linear : product) {
      if (is_lora_target(linear, config.lora.targets))
        targets += (targets.empty() ? "" : ", ") + std::string(linear.target());
    }
  }
  std::string text = line("trained", fmt::format("{} parameters of adapters (rank {}) on {}",
                                                 grouped(adapter), config.lora.rank, targets));
  const auto base = [&](BaseType type, double compute_bytes) {
    RankLayout layout;
    layout.base = type;
    layout.compute_bytes = compute_bytes;
    const double blocks = static_cast<double>(shape.block_parameters()) * base_bytes(layout);
    const double tables =
        (shape.tied_embedding ? 1.0 : 2.0) * 4 * static_cast<double>(shape.vocabulary * shape.width);
    return megabytes(blocks + tables);
  };
  return text +
         line("memory", fmt::format("of the base: {} in float32, {} in bfloat16, {} as int8, {} as q4; "
                                    "`apportion plan --model ...` says what fits where",
                                    base(BaseType::compute, 4), base(BaseType::compute, 2),
                                    base(BaseType::int8, 2), base(BaseType::q4, 2)));
}

}  // namespace

std::string inspect_model(const RunConfig& config) {
  const std::unique_ptr<ModelFiles> files = open_model(config.data.model);
  const std::string hub_name = files->hub_name();
  return line("model", config.data.model + (hub_name.empty() ? "" : " (" + hub_name + ")")) +
         shape_lines(files->shape()) + weight_lines(*files) + token_lines(*files, config.data.system) +
         training_lines(files->shape(), config);
}

}  // namespace apportion
