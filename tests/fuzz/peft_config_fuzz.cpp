// adapter_config.json: the adapter that it describes, and its values as options.
#include "shared/config/option_table.h"
#include "shared/model_files/folder/peft_config.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  fuzz::put("adapter_config.json", fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] {
    constexpr int64_t layers = 6;
    RunConfig config;
    config.lora = read_peft_config(fuzz::folder(), layers);
    ensure(config.lora.rank > 0 && !config.lora.targets.empty(), "an adapter has a rank and targets");
    ensure(config.lora.layers > 0 && config.lora.layers <= 1, "an adapter is of some of the blocks");
    for (const char* key : {"lora_rank", "lora_alpha", "lora_targets", "lora_layers"})
      find_option(key)->assign(config, find_option(key)->print(config));
  });
  return 0;
}
