// A pack is complete in itself, has the same bytes for the same results, and contains only whole results.
#include "coordinator/folder/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/hdf5_file.h"
#include "shared/store/layout.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_folder.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class PackTest : public testing::Test {
 protected:
  void SetUp() override { cells_ = write_sample_folder(folder_.path()); }
  std::string error_of(const std::string& file) const {
    try {
      pack_folder(folder_.path(), file, false);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }

  TemporaryDirectory folder_, elsewhere_;
  const std::string file_ = elsewhere_.path() + "/all.h5";
  std::vector<Cell> cells_;
};

TEST_F(PackTest, HasTheResultsThemselves) {
  EXPECT_EQ(pack_folder(folder_.path(), file_, false), 10u);
  const std::string id = cells_[0].measures.at("after/v2");
  const Hdf5Reader packed(file_), source(result_path(folder_.path(), id));
  const std::string group = std::string(layout::tasks) + "/" + id;
  // The reader would not accept a soft or external link as an object of the file.
  EXPECT_EQ(packed.dataset<uint64_t>(group + layout::counts).values,
            source.dataset<uint64_t>(layout::counts).values);
  EXPECT_EQ(packed.dataset<std::string>(group + layout::answer_text).values,
            source.dataset<std::string>(layout::answer_text).values);
  EXPECT_EQ(packed.text(group, layout::content), source.text("/", layout::content));
  EXPECT_EQ(packed.texts(group + layout::config), source.texts(layout::config));
  EXPECT_EQ(packed.text(group, layout::source_sha256), sha256_file(source.path()));
  EXPECT_EQ(packed.soft_target("/jobs/smoke/gender-us-real-full/after/v2"), group);
  EXPECT_EQ(packed.links(layout::tasks).size(), 10u);
  EXPECT_THAT(packed.links("/"), testing::ElementsAre("cells", "jobs", "tasks"));
}

TEST_F(PackTest, IsAFunctionOfTheResults) {
  pack_folder(folder_.path(), file_, true);
  const std::string first = read_file(file_);
  pack_folder(folder_.path(), file_, true);
  EXPECT_EQ(read_file(file_), first);
}

TEST_F(PackTest, CarriesWhatWasTrainedWhereAsked) {
  pack_folder(folder_.path(), file_, true);
  const std::string id = cells_[0].training.at("sft");
  const Hdf5Reader packed(file_);
  const std::string path = std::string(layout::adapters) + "/" + id + "/adapter_model.safetensors";
  const std::vector<uint8_t> bytes = packed.dataset<uint8_t>(path).values;
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "adapter of " + id);
  EXPECT_EQ(packed.text(path, layout::sha256), sha256("adapter of " + id));
  EXPECT_EQ(packed.links(layout::adapters).size(), 4u);
}

TEST_F(PackTest, IsToldWholeOrNot) {
  pack_folder(folder_.path(), file_, true);
  size_t seen = 0;
  std::vector<size_t> told;
  EXPECT_THAT(verify_pack(file_, seen,
                          [&](size_t done, size_t all) {
                            EXPECT_EQ(all, 14u) << "10 results, 4 adapters";
                            told.push_back(done);
                          }),
              IsEmpty());
  EXPECT_EQ(told.size(), 14u);
  EXPECT_EQ(told.back(), 13u);
  EXPECT_EQ(seen, 10u);
  std::string bytes = read_file(file_);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file(file_, bytes);
  EXPECT_THROW(verify_pack(file_, seen), DataError);
  EXPECT_THROW(verify_pack(folder_.path() + "/index.h5", seen), DataError);
}

TEST_F(PackTest, WhatWasPackedUnderAnothersNameIsTold) {
  const std::string bytes = "adapter";
  Hdf5Writer writer(file_);
  writer.attribute("/", layout::format, layout::pack_format);
  writer.attribute("/", layout::version_name, layout::pack_version);
  writer.copy(Hdf5Reader(result_path(folder_.path(), cells_[0].training.at("sft"))), "/tasks/other");
  writer.bytes("/adapters/other/file", bytes);
  writer.attribute("/adapters/other/file", layout::sha256, sha256("another"));
  writer.commit();
  size_t seen = 0;
  EXPECT_EQ(verify_pack(file_, seen).size(), 2u);
}

TEST_F(PackTest, ADamagedOrMissingResultIsRefused) {
  const std::string after = result_path(folder_.path(), cells_[0].measures.at("after/v2"));
  const std::string adapter =
      adapter_directory(folder_.path(), cells_[0].training.at("sft")) + "/adapter_model.safetensors";
  const std::string bytes = read_file(adapter);
  write_file(adapter, "another");
  EXPECT_THAT(error_of(file_), HasSubstr(adapter + " does not match"));
  write_file(adapter, bytes);
  std::filesystem::remove(after);
  EXPECT_THAT(error_of(file_), HasSubstr(after + " is missing"));
  write_file(after, "damage");
  EXPECT_THROW(pack_folder(folder_.path(), file_, false), DataError);
  EXPECT_THAT(digests_below(elsewhere_.path()), IsEmpty());
}

TEST_F(PackTest, AJobThatIsNotDoneIsPackedAsFarAsItIs) {
  PlanFile plan = sample_plan("smoke", cells_);
  plan.tasks.push_back({"waiting", "stage 1", 0});
  write_plan_file(folder_.path(), plan);
  replace_index(folder_.path(), {cells_[0]});
  EXPECT_EQ(pack_folder(folder_.path(), file_, false), 10u);
}

TEST_F(PackTest, AFileInsideTheFolderIsRefused) {
  for (const char* name : {"/index.h5", "/tasks/new.h5", "/../all.h5/../x/y.h5"}) {
    const bool inside = std::string(name).find("..") == std::string::npos;
    EXPECT_EQ(error_of(folder_.path() + name).find("is inside the results folder") != std::string::npos,
              inside)
        << name;
  }
  EXPECT_THAT(error_of(elsewhere_.path()), HasSubstr("is a directory"));
}

}  // namespace
}  // namespace apportion
