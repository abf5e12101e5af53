// Adapters survive the way to disk and back; damaged ones are named.
#include "worker/models/adapter_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "shared/base/digest.h"
#include "shared/base/file_system.h"
#include "tests/support/worker/tiny_world.h"

namespace apportion {
namespace {

using testing::error_of;
using testing::TinyWorld;

TEST(AdapterFile, ReadsBackWhatItWrote) {
  TinyWorld world;
  testing::DatasetFolder folder;
  Adapter adapter = world.random_adapter(2);
  const std::string digest = save_adapter(folder.path(), adapter, "tiny");
  EXPECT_EQ(digest, sha256_file(folder.path_of("adapter_model.safetensors")));
  const Adapter back = load_adapter(folder.path(), world.model().shape(), at::kCPU);
  EXPECT_TRUE(at::equal(back.values(), adapter.values()));
  EXPECT_EQ(back.config().alpha, adapter.config().alpha);
}

TEST(AdapterFile, SaysWhichBlocksItIsOn) {
  TinyWorld world;
  testing::DatasetFolder folder;
  const Adapter adapter = world.random_adapter(2, 0.5);
  save_adapter(folder.path(), adapter, "tiny");
  const std::string file = folder.path_of("adapter_config.json"), config = read_file(file);
  EXPECT_NE(config.find("layers_to_transform"), std::string::npos);
  auto load = [&] { return load_adapter(folder.path(), world.model().shape(), at::kCPU); };
  EXPECT_TRUE(at::equal(load().values(), adapter.values()));
  nlohmann::json lowest = nlohmann::json::parse(config);
  lowest["layers_to_transform"] = {0};
  write_bytes(file, lowest.dump());
  EXPECT_NE(error_of([&] { load(); }).find("the uppermost of"), std::string::npos);
}

TEST(AdapterFile, NamesWhatIsWrong) {
  TinyWorld world;
  testing::DatasetFolder folder;
  save_adapter(folder.path(), world.random_adapter(2), "tiny");
  const std::string file = folder.path_of("adapter_model.safetensors");
  auto load = [&] { load_adapter(folder.path(), world.model().shape(), at::kCPU); };
  const std::string bytes = read_file(file);
  write_bytes(file, bytes.substr(0, bytes.size() - 4));
  EXPECT_NE(error_of(load).find("data_offsets"), std::string::npos) << error_of(load);
  write_bytes(file, bytes.substr(0, 5));
  EXPECT_NE(error_of(load).find("the header's length"), std::string::npos) << error_of(load);
  write_bytes(file, bytes);
  folder.write("adapter_config.json",
               R"({"peft_type": "LORA", "r": 8, "lora_alpha": 8, "target_modules": ["q_proj"]})");
  EXPECT_NE(error_of(load).find("another shape"), std::string::npos) << error_of(load);
  folder.write("adapter_config.json", R"({"peft_type": "IA3"})");
  EXPECT_NE(error_of(load).find("LoRA"), std::string::npos) << error_of(load);
}

}  // namespace
}  // namespace apportion
