// Adapters survive being written and read; damaged ones are named.
#include "worker/models/adapter_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
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
  const Adapter back = load_adapter(folder.path(), world.model().shape(), test_device());
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
  auto load = [&] { return load_adapter(folder.path(), world.model().shape(), test_device()); };
  EXPECT_TRUE(at::equal(load().values(), adapter.values()));
  nlohmann::json lowest = nlohmann::json::parse(config);
  lowest["layers_to_transform"] = {0};
  write_bytes(file, lowest.dump());
  EXPECT_NE(error_of([&] { load(); }).find("the uppermost of"), std::string::npos);
}

TEST(AdapterFile, NamesItsBaseByTheHubsName) {
  TinyWorld world;
  testing::DatasetFolder folder;
  const Adapter adapter = world.random_adapter(2);
  const std::string config = folder.path_of("adapter_config.json");
  auto base = [&] { return nlohmann::json::parse(read_file(config)).at("base_model_name_or_path"); };
  save_adapter(folder.path(), adapter, "tiny.gguf");
  EXPECT_EQ(base(), "tiny.gguf");
  save_adapter(folder.path(), adapter, "tiny.gguf", "org/tiny");
  EXPECT_EQ(base(), "org/tiny");
}

TEST(AdapterFile, RefusesWhatIsNotComputedHere) {
  TinyWorld world;
  testing::DatasetFolder folder;
  save_adapter(folder.path(), world.random_adapter(2), "tiny");
  const std::string file = folder.path_of("adapter_config.json");
  const nlohmann::json config = nlohmann::json::parse(read_file(file));
  auto complaint = [&](const std::string& key, const nlohmann::json& value) {
    nlohmann::json changed = config;
    changed[key] = value;
    write_bytes(file, changed.dump());
    return error_of([&] { load_adapter(folder.path(), world.model().shape(), test_device()); });
  };
  for (const char* key :
       {"use_rslora", "use_dora", "fan_in_fan_out", "lora_bias", "a_new_idea", "r lora_alpha"}) {
    EXPECT_NE(complaint(key, true).find(std::string(key) + " is true, which is not supported"),
              std::string::npos);
    EXPECT_EQ(complaint(key, false), "no error");
  }
  EXPECT_NE(complaint("bias", "all").find("bias is \"all\""), std::string::npos);
  EXPECT_NE(complaint("rank_pattern", {{"q_proj", 4}}).find("rank_pattern"), std::string::npos);
  EXPECT_NE(complaint("modules_to_save", {"lm_head"}).find("modules_to_save"), std::string::npos);
  EXPECT_NE(complaint("init_lora_weights", "pissa").find("init_lora_weights"), std::string::npos);
  EXPECT_EQ(complaint("init_lora_weights", true), "no error");
  EXPECT_EQ(complaint("rank_pattern", nlohmann::json::object()), "no error");
  EXPECT_EQ(complaint("modules_to_save", nullptr), "no error");
}

TEST(AdapterFile, NamesATensorThatIsNoNumber) {
  TinyWorld world;
  testing::DatasetFolder folder;
  Adapter adapter = world.random_adapter(2);
  adapter.entries().front().a.view(-1)[3].fill_(std::nan(""));
  save_adapter(folder.path(), adapter, "tiny");
  const std::string said =
      error_of([&] { load_adapter(folder.path(), world.model().shape(), test_device()); });
  EXPECT_NE(said.find("lora_A.weight' has a NaN or an infinity"), std::string::npos) << said;
}

TEST(AdapterFile, NamesWhatIsWrong) {
  TinyWorld world;
  testing::DatasetFolder folder;
  save_adapter(folder.path(), world.random_adapter(2), "tiny");
  const std::string file = folder.path_of("adapter_model.safetensors");
  auto load = [&] { load_adapter(folder.path(), world.model().shape(), test_device()); };
  const std::string bytes = read_file(file);
  write_bytes(file, bytes.substr(0, bytes.size() - 4));
  EXPECT_NE(error_of(load).find("data_offsets"), std::string::npos) << error_of(load);
  write_bytes(file, bytes.substr(0, 5));
  EXPECT_NE(error_of(load).find("the header's length"), std::string::npos) << error_of(load);
  write_bytes(file, bytes);
  folder.write("adapter_config.json",
               R"({"peft_type": "LORA", "r": 8, "lora_alpha": 8, "target_modules": ["q_proj"]})");
  EXPECT_NE(error_of(load).find("8 rows are expected by r of adapter_config.json"), std::string::npos)
      << error_of(load);
  folder.write("adapter_config.json", R"({"peft_type": "IA3"})");
  EXPECT_NE(error_of(load).find("LoRA"), std::string::npos) << error_of(load);
}

}  // namespace
}  // namespace apportion
