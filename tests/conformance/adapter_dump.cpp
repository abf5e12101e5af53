// Writes an adapter with random A and B on all linear layers of a model, for the comparison with peft.
// Usage: adapter_dump MODEL.gguf DIRECTORY

#include <ATen/ATen.h>

#include "shared/base/counter_rng.h"
#include "shared/config/run_config.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_shape.h"
#include "worker/models/adapter_file.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  using namespace apportion;
  const Gguf gguf(argv[1]);
  Adapter adapter(shape_of(gguf), RunConfig{}.lora, 0, at::kCPU);
  CounterRng rng(0, "adapter_dump");
  float* values = adapter.values().data_ptr<float>();
  for (int64_t i = 0; i < adapter.values().numel(); ++i) values[i] = static_cast<float>(0.02 * rng.normal());
  save_adapter(argv[2], adapter, "SmolLM2");
  return 0;
}
