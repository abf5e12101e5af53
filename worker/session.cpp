#include "worker/session.h"

#include "shared/data/catalogue.h"
#include "worker/peak.h"

namespace apportion {

Session::Session(const RunConfig& config, at::Device device)
    : config_(config),
      device_(device),
      gguf_(find_model(config.data.model)),
      tokenizer_(gguf_),
      chat_(gguf_, tokenizer_),
      shape_(shape_of(gguf_)),
      dataset_(parse_dataset(find_dataset(config.data.dataset))) {}

const Llama& Session::model(at::ScalarType type) {
  auto& model = models_[type];
  if (!model) model = std::make_unique<Llama>(gguf_, shape_, type, device_);
  return *model;
}

double Session::peak(at::ScalarType type) {
  auto [entry, added] = peaks_.try_emplace(type, 0.0);
  if (added) entry->second = measure_peak(type, device_);
  return entry->second;
}

}  // namespace apportion
