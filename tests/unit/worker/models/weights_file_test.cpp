// A weights folder comes back as it was written; what does not fit the model is named.
#include "worker/models/weights_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "shared/architecture/block.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/safetensors.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/support/worker/tiny_world.h"
#include "worker/models/weight_source.h"

namespace apportion {
namespace {

using testing::error_of;
using testing::TinyWorld;

std::string write_all(const std::string& directory, const TinyWorld& world) {
  WeightsWriter writer(directory, world.model().shape());
  for (const std::string& name : WeightsWriter::order(world.model().shape()))
    writer.add(world.weights().whole(name));
  return writer.finish();
}

TEST(WeightsFile, ReadsBackWhatItWrote) {
  const TinyWorld world;
  testing::DatasetFolder folder;
  const std::string digest = write_all(folder.path(), world);
  EXPECT_EQ(digest, sha256_file(folder.path_of("model.safetensors")));
  const auto weights = std::make_unique<WeightSource>(folder_tensors(folder.path(), world.model().shape()));
  for (const auto& [name, sizes] : tensors_of(world.model().shape()))
    EXPECT_TRUE(at::equal(weights->whole(name), world.weights().whole(name))) << name;
}

TEST(WeightsFile, AnUnfinishedOneLeavesNothing) {
  const TinyWorld world;
  testing::DatasetFolder folder;
  {
    WeightsWriter writer(folder.path_of("weights"), world.model().shape());
    writer.add(at::zeros({5}));
    EXPECT_THROW(writer.finish(), InternalError);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path_of("weights")));
}

TEST(WeightsFile, NamesWhatIsWrong) {
  const TinyWorld world;
  testing::DatasetFolder folder;
  write_all(folder.path(), world);
  const std::string path = folder.path_of("model.safetensors");
  auto load = [&] { std::make_unique<WeightSource>(folder_tensors(folder.path(), world.model().shape())); };
  auto tensors = read_safetensors(path);
  tensors["model.norm.weight"].shape = {8, 8};
  write_file(path, encode_safetensors(tensors, {}));
  EXPECT_NE(error_of(load).find("'model.norm.weight' has shape [8,8]; [64] is expected"), std::string::npos)
      << error_of(load);
  tensors.erase("model.norm.weight");
  write_file(path, encode_safetensors(tensors, {}));
  EXPECT_NE(error_of(load).find("'model.norm.weight' is missing"), std::string::npos) << error_of(load);
  tensors["model.norm.weight"] = {{64}, std::vector<float>(64)};
  tensors["extra"] = {{1}, {0}};
  write_file(path, encode_safetensors(tensors, {}));
  EXPECT_NE(error_of(load).find("'extra' does not belong to this model"), std::string::npos)
      << error_of(load);
}

}  // namespace
}  // namespace apportion
