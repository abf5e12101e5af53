// Names in lora_targets, and the layers of a model that packs several into one tensor.
#include "shared/architecture/lora_targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using ::testing::ElementsAre;
using Names = std::vector<std::string>;

/// The layers of a block that have adapters.
Names adapted(const std::string& architecture, const Names& targets) {
  Names names;
  for (const FusedLayers& product : describe_block({.architecture = architecture}).products) {
    for (const LinearLayer& linear : product) {
      if (is_lora_target(linear, targets)) names.emplace_back(linear.target());
    }
  }
  return names;
}

TEST(LoraTargets, LlamasNamesNameAllLayersOfEveryModel) {
  EXPECT_THAT(adapted("phi3", lora_target_names()),
              ElementsAre("qkv_proj", "o_proj", "gate_up_proj", "down_proj"));
  EXPECT_EQ(adapted("llama", lora_target_names()), lora_target_names());
  EXPECT_THAT(all_lora_targets(), ElementsAre("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
                                              "down_proj", "qkv_proj", "gate_up_proj"));
}

TEST(LoraTargets, ALayerIsNamedByItselfOrByAllOfItsParts) {
  EXPECT_THAT(adapted("phi3", {"qkv_proj", "down_proj"}), ElementsAre("qkv_proj", "down_proj"));
  EXPECT_THAT(adapted("phi3", {"q_proj", "k_proj", "v_proj"}), ElementsAre("qkv_proj"));
  EXPECT_THAT(adapted("phi3", {"q_proj", "v_proj", "o_proj"}), ElementsAre("o_proj"));
  EXPECT_THAT(adapted("llama", {"qkv_proj"}), ElementsAre());
}

TEST(LoraTargets, ANameWithoutALayerIsRefused) {
  const ModelShape phi{.architecture = "phi3"}, llama{.architecture = "llama"};
  EXPECT_NO_THROW(check_lora_targets(phi, lora_target_names()));
  EXPECT_NO_THROW(check_lora_targets(phi, {"up_proj", "gate_proj", "qkv_proj"}));
  EXPECT_NO_THROW(check_lora_targets(llama, {"q_proj", "v_proj"}));
  EXPECT_EQ(testing::error_of([&] {
              check_lora_targets(phi, {"o_proj", "q_proj", "v_proj"});
            }),
            "lora_targets has q_proj, which is not a layer of a phi3 model; those of qkv_proj, o_proj, "
            "gate_up_proj, down_proj are");
  EXPECT_THROW(check_lora_targets(llama, {"qkv_proj"}), UserError);
}

}  // namespace
}  // namespace apportion
