#include "shared/model_files/key_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "shared/architecture/shape.h"
#include "shared/base/error.h"
#include "shared/model_files/gguf_names.h"

namespace apportion {
namespace {

using Metadata = std::map<std::string, GgufEntry>;

/// What a key may say without changing what is computed.
enum class Neutral {
  any,             // it is read elsewhere, or does not concern the mathematics
  zero,            // or false
  cap,             // 0; or Gemma 2's, which is computed
  one,             // or true
  factor,          // 1; and 0, which llama.cpp takes for "none"
  scaling,         // a factor of rotations, which are scaled unless rope.scaling.type says otherwise
  attention_scale  // 1 / sqrt(the size of a head), or 0
};

constexpr std::array<std::pair<std::string_view, Neutral>, 42> rules = {{
    {"block_count", Neutral::any},
    {"context_length", Neutral::any},
    {"embedding_length", Neutral::any},
    {"feed_forward_length", Neutral::any},
    {"vocab_size", Neutral::any},
    {"attention.head_count", Neutral::any},
    {"attention.head_count_kv", Neutral::any},
    {"attention.key_length", Neutral::any},
    {"attention.value_length", Neutral::any},
    {"attention.layer_norm_rms_epsilon", Neutral::any},
    {"attention.layer_norm_epsilon", Neutral::any},  // of a norm that these models do not have
    {"rope.dimension_count", Neutral::any},
    {"rope.freq_base", Neutral::any},
    {"rope.scaling.type", Neutral::any},
    {"rope.scaling.original_context_length", Neutral::any},
    {"rope.scaling.finetuned", Neutral::any},
    {"rope.scaling.factor", Neutral::scaling},
    {"rope.scale_linear", Neutral::scaling},
    {"rope.scaling.attn_factor", Neutral::scaling},
    {"rope.scaling.yarn_log_multiplier", Neutral::scaling},
    {"tensor_data_layout", Neutral::any},
    {"attention.sliding_window", Neutral::any},
    {"attention.sliding_window_pattern", Neutral::any},
    {"attention.scale", Neutral::attention_scale},
    {"attention.causal", Neutral::one},
    {"logit_scale", Neutral::factor},
    {"embedding_scale", Neutral::factor},
    {"residual_scale", Neutral::factor},
    {"attention.output_scale", Neutral::factor},
    {"attn_logit_softcapping", Neutral::cap},
    {"final_logit_softcapping", Neutral::cap},
    {"router_logit_softcapping", Neutral::zero},
    {"attention.max_alibi_bias", Neutral::zero},
    {"attention.clamp_kqv", Neutral::zero},
    {"attention.shared_kv_layers", Neutral::zero},
    {"use_parallel_residual", Neutral::zero},
    {"expert_count", Neutral::zero},
    {"expert_used_count", Neutral::zero},
    {"expert_shared_count", Neutral::zero},
    {"leading_dense_block_count", Neutral::zero},
    {"nextn_predict_layers", Neutral::zero},
    {"pooling_type", Neutral::zero},
}};

class KeyRules {
 public:
  KeyRules(const std::string& path, const Metadata& metadata) : path_(path), metadata_(metadata) {}

  void check() {
    check_kind();
    const std::string* architecture = text(architecture_key);
    if (architecture == nullptr || !is_computed(*architecture)) return;  // refused elsewhere
    prefix_ = *architecture + ".";
    check_scaling_type();
    check_layout();
    for (auto entry = metadata_.lower_bound(prefix_);
         entry != metadata_.end() && entry->first.starts_with(prefix_); ++entry) {
      check_key(entry->first);
    }
  }

 private:
  [[noreturn]] void fail(const std::string& key, const std::string& message) const {
    const auto entry = metadata_.find(key);
    throw DataError(path_, entry->second.offset, message);
  }

  const std::string* text(const std::string& key) const {
    const auto entry = metadata_.find(key);
    return entry == metadata_.end() ? nullptr : std::get_if<std::string>(&entry->second.value);
  }

  /// An integer, a number or a boolean; nothing when the key is missing or of another kind.
  std::optional<double> number(const std::string& key) const {
    const auto entry = metadata_.find(key);
    if (entry == metadata_.end()) return {};
    const GgufValue& value = entry->second.value;
    if (const auto* natural = std::get_if<uint64_t>(&value)) return static_cast<double>(*natural);
    if (const auto* integer = std::get_if<int64_t>(&value)) return static_cast<double>(*integer);
    if (const auto* real = std::get_if<double>(&value)) return *real;
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? 1.0 : 0.0;
    return {};
  }

  /// A value as a message shows it.
  std::string shown(const std::string& key) const {
    if (const std::string* value = text(key)) return *value;
    const std::optional<double> value = number(key);
    if (!value) return "a list";
    std::string digits = std::to_string(*value);
    digits.erase(digits.find_last_not_of('0') + 1);
    return digits.ends_with('.') ? digits.substr(0, digits.size() - 1) : digits;
  }

  void check_kind() const {
    constexpr const char* kind = "general.type";
    if (const std::string* what = text(kind); what != nullptr && *what != "model") {
      fail(kind, "general.type is " + *what + ": the file holds no model; give the model's own file");
    }
    constexpr const char* packing = "general.quantization_version";
    if (number(packing).value_or(2) != 2) {
      fail(packing, "general.quantization_version is " + shown(packing) +
                        ", an old way of packing; only 2 is supported: take a newer file of the model");
    }
  }

  void check_scaling_type() const {
    const std::string key = prefix_ + "rope.scaling.type";
    const std::string* type = text(key);
    if (type == nullptr || *type == "none" || *type == "linear") return;
    fail(key, key + " is " + *type + ", and such rotations are not supported; none is");
  }

  /// Pairs of a rotation are adjacent in the rows of q and k, as in Meta's own files: always so in files of
  /// this architecture, whether they say so or not.
  void check_layout() const {
    const std::string key = prefix_ + "tensor_data_layout";
    const std::string* layout = text(key);
    if (layout == nullptr || *layout == "Meta AI original pth" || *layout == "reference") return;
    fail(key, key + " is " + *layout + "; only Meta AI original pth is supported");
  }

  bool scales_attention_as_here(double scale) const {
    const double heads = number(prefix_ + "attention.head_count").value_or(1);
    const double size =
        number(prefix_ + "attention.key_length")
            .value_or(number(prefix_ + "embedding_length").value_or(0) / std::max(heads, 1.0));
    return scale == 0 || std::abs(scale * std::sqrt(size) - 1) < 1e-5;
  }

  bool is_neutral(const std::string& key, Neutral neutral) const {
    if (neutral == Neutral::any) return true;
    if (neutral == Neutral::scaling) {
      const std::string* type = text(prefix_ + "rope.scaling.type");
      if (type != nullptr && *type == "none") return true;
      if (key.ends_with("rope.scaling.factor")) return number(key).value_or(-1) >= 0;  // linear scaling
    }
    const std::optional<double> value = number(key);
    if (!value) return false;
    if (neutral == Neutral::cap) return *value == 0 || prefix_ == "gemma2.";
    if (neutral == Neutral::attention_scale) return scales_attention_as_here(*value);
    return (neutral != Neutral::one && *value == 0) || (neutral != Neutral::zero && *value == 1);
  }

  void check_key(const std::string& key) const {
    for (const auto& [name, neutral] : rules) {
      if (key.substr(prefix_.size()) != name) continue;
      if (is_neutral(key, neutral)) return;
      const bool zero = neutral == Neutral::zero || neutral == Neutral::cap;
      const char* right = zero                                  ? "0"
                          : neutral == Neutral::attention_scale ? "1 / sqrt(the size of a head)"
                                                                : "1";
      fail(key, key + " is " + shown(key) + ", which is not supported; " + right + " is");
    }
    fail(key, "metadata key " + key + " is not supported, and may change what the model computes");
  }

  const std::string& path_;
  const Metadata& metadata_;
  std::string prefix_;  // of the architecture's keys: "llama."
};

}  // namespace

void check_keys(const std::string& path, const std::map<std::string, GgufEntry>& metadata) {
  KeyRules(path, metadata).check();
}

}  // namespace apportion
