#include "worker/session.h"

#include "shared/data/catalogue.h"
#include "shared/model/shape_text.h"
#include "worker/peak.h"

namespace apportion {

Session::Session(const RunConfig& config, at::Device device)
    : config_(config),
      device_(device),
      gguf_(tokenizer_file(config.data.model)),
      tokenizer_(gguf_),
      shape_(is_shape_text(config.data.model) ? parse_shape(config.data.model) : shape_of(gguf_)),
      dataset_(parse_dataset(find_dataset(config.data.dataset))) {
  const bool synthetic = is_shape_text(config.data.model);
  if (synthetic) tokenizer_.fold(static_cast<int32_t>(shape_.vocabulary));
  chat_ = std::make_unique<ChatTemplate>(gguf_, tokenizer_);
  weights_ = synthetic ? synthetic_weights(shape_) : gguf_weights(gguf_, shape_);
}

const Llama& Session::model(at::ScalarType type) {
  auto& model = models_[type];
  if (!model) model = std::make_unique<Llama>(*weights_, shape_, type, device_);
  return *model;
}

double Session::peak(at::ScalarType type) {
  auto [entry, added] = peaks_.try_emplace(type, 0.0);
  if (added) entry->second = measure_peak(type, device_);
  return entry->second;
}

}  // namespace apportion
