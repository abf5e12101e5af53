#include "shared/model_files/folder/config_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "shared/architecture/rope.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/folder/json_node.h"

namespace apportion {
namespace {

using nlohmann::json;

/// Keys that do not matter for what is computed here: names, tokens (tokenizer_config.json has them), how a
/// model was initialised, what training with dropout does, and what generation prints.
const std::set<std::string_view> unread = {"_model_name_or_path",
                                           "_name_or_path",
                                           "architectures",
                                           "attention_dropout",
                                           "bos_token_id",
                                           "cache_implementation",
                                           "chunk_size_feed_forward",
                                           "dtype",
                                           "eos_token_id",
                                           "id2label",
                                           "initializer_range",
                                           "label2id",
                                           "model_type",
                                           "output_attentions",
                                           "output_hidden_states",
                                           "pad_token_id",
                                           "problem_type",
                                           "return_dict",
                                           "torch_dtype",
                                           "transformers_version",
                                           "unsloth_fixed",
                                           "unsloth_version",
                                           "unk_token_id",
                                           "use_cache"};

/// Keys that are read below.
const std::set<std::string_view> read = {"attention_bias",
                                         "attn_logit_softcapping",
                                         "final_logit_softcapping",
                                         "head_dim",
                                         "hidden_act",
                                         "hidden_activation",
                                         "hidden_size",
                                         "intermediate_size",
                                         "layer_types",
                                         "max_position_embeddings",
                                         "max_window_layers",
                                         "num_attention_heads",
                                         "num_hidden_layers",
                                         "num_key_value_heads",
                                         "query_pre_attn_scalar",
                                         "rms_norm_eps",
                                         "rope_parameters",
                                         "rope_scaling",
                                         "rope_theta",
                                         "sliding_window",
                                         "sliding_window_size",
                                         "tie_word_embeddings",
                                         "use_sliding_window",
                                         "vocab_size"};

constexpr std::string_view partial_rotation = "partial_rotary_factor";
constexpr const char* no_such_window = "is not a key of a gemma2 or mistral model";

/// Phi-3's keys that do not matter here: dropout in training; the context that longrope started from, a
/// scaling that is refused below; and the model's class from before transformers had it.
bool says_nothing_in_phi3(const std::string& key, const json& value) {
  return key == "embd_pdrop" || key == "resid_pdrop" || key == "original_max_position_embeddings" ||
         (key == "auto_map" && value.is_object() &&
          value.value("AutoModelForCausalLM", json()) == "modeling_phi3.Phi3ForCausalLM");
}

class Config {
 public:
  explicit Config(const std::string& path) : path_(path), json_(parse_object(path, read_file(path))) {}

  ModelShape shape() const {
    ModelShape shape;
    shape.architecture = architecture();
    check_keys();
    if (shape.architecture == "gemma2") {
      check_activation("hidden_activation", "gelu_pytorch_tanh");
      check_none({"use_sliding_window"}, no_such_window);
    } else {
      check_activation("hidden_act", "silu");
      check_none(
          {"query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping", "hidden_activation"},
          "belongs to a gemma2 model and is not supported");
      if (is_mistral()) check_none({"use_sliding_window"}, no_such_window);
    }
    shape.layers = size(json_, "num_hidden_layers", 4096);  // all tensors of all layers are listed by name
    shape.width = size(json_, "hidden_size");
    shape.heads = size(json_, "num_attention_heads");
    shape.kv_heads = has(json_, "num_key_value_heads") ? size(json_, "num_key_value_heads") : shape.heads;
    shape.head_dim = has(json_, "head_dim") ? size(json_, "head_dim") : shape.width / shape.heads;
    shape.ffn_width = size(json_, "intermediate_size");
    shape.vocabulary = size(json_, "vocab_size", int64_t{1} << 30);
    shape.context_length = size(json_, "max_position_embeddings", int64_t{1} << 30);
    shape.norm_epsilon = positive(json_, "rms_norm_eps");
    shape.tied_embedding = flag("tie_word_embeddings");
    shape.set_traits();
    if (shape.architecture == "gemma2") read_gemma(shape);
    check_heads(shape);
    read_window(shape);
    read_rope(shape);
    return shape;
  }

 private:
  [[noreturn]] void fail(const std::string& key, const std::string& message) const {
    throw UserError(path_ + ": " + key + " " + message);
  }
  static bool has(const json& in, const char* key) { return in.contains(key) && !in.at(key).is_null(); }

  /// Whether a window, if there is one, is in all layers.
  bool has_one_window(const ModelShape& shape) const { return is_mistral() || shape.architecture == "phi3"; }
  bool is_mistral() const { return json_.value("model_type", json()) == "mistral"; }

  std::string architecture() const {
    const json type = json_.value("model_type", json());
    if (type.is_string() && is_computed(type.get<std::string>())) return type.get<std::string>();
    if (is_mistral()) return "llama";  // except for its window
    fail("model_type", fmt::format("is {}; {} and mistral are supported", type.dump(),
                                   fmt::join(architecture_names(), ", ")));
  }

  /// transformers, configuration_gemma2.py: null means not done. Keys with defaults must be there, since a
  /// default that is not written cannot be seen here.
  void read_gemma(ModelShape& shape) const {
    for (const char* key : {"head_dim", "query_pre_attn_scalar", "attn_logit_softcapping",
                            "final_logit_softcapping", "sliding_window"}) {
      if (!json_.contains(key)) fail(key, "is missing, and a gemma2 model has it");
    }
    shape.tied_embedding = !has(json_, "tie_word_embeddings") || flag("tie_word_embeddings");
    shape.attention_scale = 1 / std::sqrt(positive(json_, "query_pre_attn_scalar"));
    if (has(json_, "attn_logit_softcapping")) shape.attention_cap = positive(json_, "attn_logit_softcapping");
    if (has(json_, "final_logit_softcapping")) shape.logits_cap = positive(json_, "final_logit_softcapping");
  }

  void check_keys() const {
    for (const auto& [key, value] : json_.items()) {
      if (unread.contains(key) || read.contains(key) || says_nothing(value)) continue;
      // 1 means sums in one part, equal but for rounding; or that all elements of a head turn.
      if ((key == "pretraining_tp" || key == partial_rotation) && value == 1) continue;
      if (json_.value("model_type", json()) == "phi3" && says_nothing_in_phi3(key, value)) continue;
      fail(key, "is not supported, and may change what the model computes");
    }
    if (has(json_, "sliding_window_size") &&
        json_.at("sliding_window_size") != json_.value("sliding_window", json()))
      fail("sliding_window_size", "differs from sliding_window");
    if (flag("attention_bias")) fail("attention_bias", "is true, and such biases are not supported");
  }

  void check_activation(const char* key, const char* computed) const {
    const json value = json_.value(key, json());
    if (value != computed) fail(key, fmt::format("is {}; \"{}\" is supported", value.dump(), computed));
  }

  /// Fails for keys of other architectures.
  void check_none(std::initializer_list<const char*> keys, const char* why) const {
    for (const char* key : keys) {
      if (has(json_, key)) fail(key, why);
    }
  }

  /// A whole number from 1 on; the bound keeps every product of three sizes below 2^63.
  int64_t size(const json& in, const char* key, int64_t largest = int64_t{1} << 20) const {
    const json value = in.value(key, json());
    if (!value.is_number_unsigned() || value.get<uint64_t>() < 1 ||
        value.get<uint64_t>() > static_cast<uint64_t>(largest)) {
      fail(key, "is " + value.dump() + "; 1 to " + std::to_string(largest) + " is expected");
    }
    return value.get<int64_t>();
  }

  double positive(const json& in, const char* key) const {
    const json value = in.value(key, json());
    if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() <= 0)
      fail(key, "is " + value.dump() + "; a number above 0 is expected");
    return value.get<double>();
  }

  bool flag(const char* key) const {
    const json value = json_.value(key, json());
    if (!value.is_null() && !value.is_boolean())
      fail(key, "is " + value.dump() + "; true or false is expected");
    return value == true;
  }

  void check_heads(const ModelShape& shape) const {
    if (!has(json_, "head_dim") && shape.width % shape.heads != 0)
      fail("hidden_size", "is not a multiple of num_attention_heads, and there is no head_dim");
    if (shape.heads % shape.kv_heads != 0)
      fail("num_attention_heads", "is not a multiple of num_key_value_heads");
    if (shape.head_dim % 2 != 0)
      fail("head_dim", "is " + std::to_string(shape.head_dim) + "; rotary positions need pairs");
  }

  /// transformers, configuration_mistral.py, configuration_phi3.py, configuration_qwen2.py,
  /// configuration_gemma2.py. Its llama has no windows, but other programs read this key in such a model, so
  /// the context ends where both compute the same.
  void read_window(ModelShape& shape) const {
    const int64_t tokens = window(shape);
    const std::vector<bool> usual = tokens > 0 ? usual_windows(shape) : layers_from(shape, shape.layers),
                            layers = has(json_, "layer_types") ? listed_windows(shape) : usual;
    if (has_one_window(shape) && layers != usual)
      fail("layer_types", "is not what a mistral or phi3 model computes: all of its layers have the window");
    if (std::find(layers.begin(), layers.end(), true) == layers.end()) return;
    if (tokens == 0) fail("layer_types", "has a sliding_attention, and no sliding_window is in use");
    if (shape.architecture == "llama" && !is_mistral()) {
      shape.context_length = std::min(shape.context_length, tokens);
    } else {
      shape.set_window(tokens, layers);
    }
  }

  /// Tokens of the window; 0: none.
  int64_t window(const ModelShape& shape) const {
    constexpr int64_t usual = 4096, most = int64_t{1} << 30;
    const bool is_qwen = shape.architecture.starts_with("qwen");
    if (is_qwen && !flag("use_sliding_window")) return 0;
    if (shape.architecture == "llama" && json_.value("use_sliding_window", json()) == false) return 0;
    if (!json_.contains("sliding_window")) return is_qwen || is_mistral() ? usual : 0;
    return has(json_, "sliding_window") ? size(json_, "sliding_window", most) : 0;
  }

  /// The layers with a window when no list names them.
  std::vector<bool> usual_windows(const ModelShape& shape) const {
    if (shape.architecture == "gemma2") return every_other_layer(shape.layers);
    if (shape.architecture == "llama" || shape.architecture == "phi3") return layers_from(shape, 0);
    const json first = json_.value("max_window_layers", json(28U));
    if (!first.is_number_unsigned())
      fail("max_window_layers", "is " + first.dump() + "; a number is expected");
    return layers_from(shape, static_cast<int64_t>(std::min<uint64_t>(first.get<uint64_t>(), 4096)));
  }

  static std::vector<bool> layers_from(const ModelShape& shape, int64_t first) {
    std::vector<bool> layers(static_cast<size_t>(shape.layers));
    std::fill(layers.begin() + std::min(first, shape.layers), layers.end(), true);
    return layers;
  }

  std::vector<bool> listed_windows(const ModelShape& shape) const {
    const json types = json_.at("layer_types");
    if (!types.is_array() || types.size() != static_cast<size_t>(shape.layers)) {
      fail("layer_types",
           fmt::format("is {}; a list of {} is expected, as num_hidden_layers says",
                       types.is_array() ? fmt::format("a list of {}", types.size()) : types.dump(),
                       shape.layers));
    }
    std::vector<bool> layers;
    for (const json& type : types) {
      if (type != "full_attention" && type != "sliding_attention") {
        fail("layer_types",
             "has " + type.dump() + "; \"full_attention\" and \"sliding_attention\" are supported");
      }
      layers.push_back(type == "sliding_attention");
    }
    return layers;
  }

  /// transformers 5 has one object rope_parameters, 4 has rope_theta and rope_scaling.
  void read_rope(ModelShape& shape) const {
    const json scaling =
        has(json_, "rope_parameters") ? json_.at("rope_parameters") : json_.value("rope_scaling", json());
    const char* key = has(json_, "rope_parameters") ? "rope_parameters" : "rope_scaling";
    if (!scaling.is_null() && !scaling.is_object())
      fail(key, "is " + scaling.dump() + "; an object is expected");
    const json in = scaling.is_null() ? json::object() : scaling;
    if (has(in, "rope_theta")) {
      shape.rope_theta = positive(in, "rope_theta");
    } else if (has(json_, "rope_theta")) {
      shape.rope_theta = positive(json_, "rope_theta");
    }
    const json type = in.value("rope_type", in.value("type", json("default")));
    if (type == "linear") {
      check_only(key, in, {"factor"});
      shape.rope_divisors.assign(static_cast<size_t>(shape.head_dim / 2), positive(in, "factor"));
    } else if (type == "llama3") {
      check_only(key, in,
                 {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"});
      const Llama3Scaling llama3{positive(in, "factor"), positive(in, "low_freq_factor"),
                                 positive(in, "high_freq_factor"),
                                 size(in, "original_max_position_embeddings", int64_t{1} << 30)};
      if (llama3.low >= llama3.high) fail(key, "has a low_freq_factor that is not below high_freq_factor");
      shape.rope_divisors = llama3_divisors(shape.head_dim, shape.rope_theta, llama3);
    } else if (type == "default") {
      check_only(key, in, {});
    } else {
      fail(key, "has the type " + type.dump() + "; default, linear and llama3 are supported");
    }
  }

  void check_only(const std::string& key, const json& in,
                  std::initializer_list<std::string_view> known) const {
    for (const auto& [name, value] : in.items()) {
      const bool is_known = name == "rope_type" || name == "type" || name == "rope_theta" ||
                            (name == partial_rotation && value == 1) ||
                            std::find(known.begin(), known.end(), name) != known.end();
      if (!is_known && !says_nothing(value))
        fail(key, "has " + name + ", which is not supported and may change what the model computes");
    }
  }

  const std::string& path_;
  json json_;
};

}  // namespace

ModelShape read_config(const std::string& path) {
  try {
    return Config(path).shape();
  } catch (const json::exception& error) {
    throw UserError(path + ": " + error.what());
  }
}

}  // namespace apportion
