// The index: cells come back, replace cells of the same name, and can be rebuilt from the result files alone.
#include "shared/store/index.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/hdf5_file.h"
#include "shared/store/layout.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

void expect_equal(const Cell& a, const Cell& b) {
  EXPECT_EQ(a.job, b.job);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.measures, b.measures);
  EXPECT_EQ(a.training, b.training);
  EXPECT_EQ(a.judged, b.judged);
}

TEST(Index, CellsComeBack) {
  TemporaryDirectory directory;
  std::vector<Cell> cells = write_sample_results(directory.path());
  std::vector<Cell> read = read_index(directory.path());
  ASSERT_EQ(read.size(), cells.size());
  for (size_t i = 0; i < cells.size(); ++i) expect_equal(cells[i], read[i]);
}

TEST(Index, SaysWhatACellWasAskedToDo) {
  TemporaryDirectory directory;
  Cell cell{"job", "target=0.9:0.1", {{"before/v2", "1"}}, {}};
  cell.about = {"gender", "zero-shot", "smollm2", "0.9/0.1", {{"target", "0.9/0.1"}}, {}, 3};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  cell.about.targets = {{"ood", {{nan, nan}, {0.25, 0.75}}}, {"v2", {{0.9, 0.1}, {1.0 / 3, 2.0 / 3}}}};
  write_index(directory.path(), {cell});
  write_index(directory.path(), {Cell{"other", "plain", {{"before/v2", "1"}}, {}}});
  const std::vector<Cell> read = read_index(directory.path());
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].about.swept, cell.about.swept);
  EXPECT_EQ(read[0].about.target, "0.9/0.1");
  EXPECT_EQ(read[0].about.place, 3u);
  EXPECT_EQ(read[0].about.targets.at("v2"), cell.about.targets.at("v2"));
  EXPECT_TRUE(std::isnan(read[0].about.targets.at("ood")[0][1]));
  EXPECT_EQ(read[0].about.targets.at("ood")[1], (std::vector<double>{0.25, 0.75}));
  EXPECT_TRUE(read[1].about.method.empty() && read[1].about.targets.empty());
}

TEST(Index, ATargetThatItsFileCannotHoldIsDamage) {
  TemporaryDirectory directory;
  write_sample_results(directory.path());
  const std::string group = std::string(layout::jobs) + "/job/cell";
  for (const char* test_sets : {"[\"..\"]", "[\"absent\"]", "[1]", "\"v2\""}) {
    Hdf5Writer writer(directory.path() + "/index.h5");
    writer.attribute("/", layout::format, layout::index_format);
    writer.attribute("/", layout::version_name, layout::index_version);
    writer.group(layout::tasks);
    writer.group(group);
    writer.attribute(group, layout::cell_job, "job");
    writer.attribute(group, layout::cell_name, "cell");
    writer.attribute(group, layout::cell_about,
                     R"({"dataset":"d","method":"m","model":"m","target":"real","swept":[],"targets":)" +
                         std::string(test_sets) + "}");
    writer.commit();
    const std::vector<Cell> cells = read_index(directory.path());
    ASSERT_EQ(cells.size(), 2u) << test_sets;
    EXPECT_EQ(cells[0].job, "recovered") << test_sets;
  }
}

TEST(Index, ReplacesCellsOfTheSameNameAndKeepsOthers) {
  TemporaryDirectory directory;
  std::vector<Cell> cells = write_sample_results(directory.path());
  Cell changed = cells[0];
  changed.measures.erase("after/heldout");
  Cell other{"paper", "race/kl only", {{"after/v2", cells[1].measures["after/v2"]}}, {}};
  write_index(directory.path(), {changed, other});
  std::vector<Cell> read = read_index(directory.path());
  ASSERT_EQ(read.size(), 3u);
  expect_equal(read[0], other);
  expect_equal(read[1], changed);
  expect_equal(read[2], cells[1]);
}

TEST(Index, IsReplacedByTheCellsAlone) {
  TemporaryDirectory directory;
  EXPECT_TRUE(indexed_cells(directory.path()).empty());
  const std::vector<Cell> cells = write_sample_results(directory.path());
  replace_index(directory.path(), {cells[1]});
  const std::vector<Cell> read = indexed_cells(directory.path());
  ASSERT_EQ(read.size(), 1u);
  expect_equal(read[0], cells[1]);
  replace_index(directory.path(), {});
  EXPECT_TRUE(indexed_cells(directory.path()).empty());
  write_file(directory.path() + "/index.h5", "damage");
  EXPECT_THROW(indexed_cells(directory.path()), DataError);
}

TEST(Index, IsAFunctionOfItsCells) {
  TemporaryDirectory directory;
  write_sample_results(directory.path());
  std::string first = read_file(directory.path() + "/index.h5");
  write_index(directory.path(), {});
  EXPECT_EQ(read_file(directory.path() + "/index.h5"), first);
}

TEST(Index, WhatWasAskedInAMethodsWayIsRecoveredAsThatMethodsCell) {
  TemporaryDirectory directory;
  const MeasureFile plain = sample_measure(sample_gender_set("v2"), {}, {});
  MeasureFile asked = plain;
  nlohmann::json identity = asked.record.task.identity.json();
  identity["asking"] = "with_target";
  asked.record.task.identity = identity;
  asked.record.task.id = task_id(asked.record.task.identity);
  for (auto& [key, value] : asked.record.config) {
    if (key == "method") value = "prompted";
  }
  for (const MeasureFile* file : {&plain, static_cast<const MeasureFile*>(&asked)})
    write_measure_file(result_path(directory.path(), file->record.task.id), *file);
  const std::vector<Cell> cells = rebuild_cells(directory.path());
  ASSERT_EQ(cells.size(), 2u);
  EXPECT_EQ(cells[0].name, "gender-us-real-prompted");
  EXPECT_EQ(cells[0].measures.at("after/v2"), asked.record.task.id);
  EXPECT_EQ(cells[1].name, "gender-us-real-zero-shot");
  EXPECT_EQ(cells[1].measures.at("before/v2"), plain.record.task.id);
}

TEST(Index, IsRebuiltFromTheResults) {
  TemporaryDirectory directory;
  std::vector<Cell> cells = write_sample_results(directory.path());
  std::filesystem::remove(directory.path() + "/index.h5");
  std::vector<Cell> rebuilt = read_index(directory.path());
  ASSERT_EQ(rebuilt.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(rebuilt[i].job, "recovered");
    EXPECT_EQ(rebuilt[i].name, cells[i].name);
    EXPECT_EQ(rebuilt[i].measures, cells[i].measures);
    EXPECT_EQ(rebuilt[i].training, cells[i].training);
  }
  write_file(directory.path() + "/index.h5", "damaged");
  EXPECT_EQ(read_index(directory.path()).size(), 2u);
}

TEST(Index, RebuildsWhatWasOnlyMeasuredAndPassesOverDamage) {
  TemporaryDirectory directory;
  MeasureFile file = sample_measure(sample_gender_set("v2"), {}, {});
  write_measure_file(result_path(directory.path(), file.record.task.id), file);
  make_directories(task_directory(directory.path(), "bad"));
  write_file(result_path(directory.path(), "bad"), "damaged");
  std::vector<Cell> cells = read_index(directory.path());
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells[0].name, "gender-us-real-zero-shot");
  EXPECT_EQ(cells[0].measures.at("before/v2"), file.record.task.id);
}

TEST(Index, AnEmptyDirectoryIsTheUsersError) {
  TemporaryDirectory directory;
  EXPECT_THROW(read_index(directory.path()), UserError);
  EXPECT_THROW(read_index(directory.path() + "/nothing"), UserError);
}

TEST(Index, RefusesNamesThatAreNoPath) {
  TemporaryDirectory directory;
  for (const char* name : {"", "/", "a//b", "..", "a/./b", "a/"}) {
    EXPECT_THROW(write_index(directory.path(), {Cell{"job", name, {}, {}}}), UserError) << name;
  }
}

TEST(Index, KnowsWhoJudgedWhat) {
  TemporaryDirectory directory;
  const MeasureFile measured = sample_measure(sample_gender_set("v3"), {}, {});
  const MeasureFile words = sample_judged(measured, "lexical"),
                    server = sample_judged(measured, "some-model");
  for (const MeasureFile* file : {&measured, &words, &server}) {
    write_measure_file(result_path(directory.path(), file->record.task.id), *file);
  }
  const Cell cell{
      "job",
      "cell",
      {{"before/v3", measured.record.task.id}},
      {},
      {{"before/v3/lexical", words.record.task.id}, {"before/v3/some-model", server.record.task.id}}};
  write_index(directory.path(), {cell});
  ASSERT_EQ(read_index(directory.path()).size(), 1u);
  expect_equal(read_index(directory.path())[0], cell);
  // From the files alone.
  ASSERT_EQ(rebuild_cells(directory.path()).size(), 1u);
  EXPECT_EQ(rebuild_cells(directory.path())[0].judged, cell.judged);
  EXPECT_EQ(rebuild_cells(directory.path())[0].measures, cell.measures);
}

}  // namespace
}  // namespace apportion
