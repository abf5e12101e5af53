// A study with workers that compute nothing: which points it has, that each is measured once on the ranks it
// needs, and what stays on disk.
#include "coordinator/capacity/study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "coordinator/capacity/prediction.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model/machine.h"
#include "tests/support/fake_workers.h"
#include "tests/support/sample_results.h"
#include "tests/support/sample_study.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

using testing::HasSubstr;

std::map<std::string, std::string> small_study() {
  return {{"scale_shapes", "layers=2,width=64,heads=2,ffn=96,vocabulary=512 shape:350m"},
          {"scale_ranks", "1,2"},
          {"scale_shard_sizes", "1,2"},
          {"scale_steps", "3"},
          {"micro_batches", "2"},
          {"plan_machine", "cpu"},
          {"quiet", "true"}};
}

std::string error_of(const std::map<std::string, std::string>& changes) {
  auto all = small_study();
  for (const auto& [key, value] : changes) all[key] = value;
  try {
    study_points(default_config(all), "float32");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(StudyPoints, AreAllShapesScalingsRanksAndShardSizesThatDivide) {
  const auto points = study_points(default_config(small_study()), "float32");
  ASSERT_EQ(points.size(), 12u);  // two shapes, weak and strong, ranks 1 (1 shard) and 2 (1 and 2 shards)
  EXPECT_EQ(points[0].ranks, 1);
  EXPECT_EQ(points[2].shard_size, 2);
  EXPECT_EQ(points[0].micro_batches, 1);
  EXPECT_EQ(points[3].scaling, Scaling::strong);
  EXPECT_EQ(points[3].micro_batches, 2);
  std::set<std::string> ids;
  for (const StudyPoint& point : points) ids.insert(point.task.id);
  // Two ranks with two micro-batches belong to both scalings.
  EXPECT_EQ(ids.size(), 8u);
}

TEST(StudyPoints, IdsHoldWhatIsMeasuredAndNotWhereItGoes) {
  auto id = [](const std::string& key, const std::string& value) {
    auto changes = small_study();
    if (!key.empty()) changes[key] = value;
    return study_points(default_config(changes), "float32").front().task.id;
  };
  const std::string plain = id("", "");
  for (const char* key : {"scale_tokens", "scale_steps", "threads", "lora_rank"})
    EXPECT_NE(id(key, "777"), plain);
  EXPECT_NE(id("resident", "never"), plain);
  EXPECT_NE(id("node_sharing", "ignored"), plain);
  EXPECT_NE(id("recompute", "always"), plain);
  EXPECT_EQ(id("output", "elsewhere"), plain);
  EXPECT_EQ(id("scale_ranks", "1"), plain);
}

TEST(StudyPoints, SayWhatIsWrong) {
  EXPECT_THAT(error_of({{"scale_shapes", "351m"}}), HasSubstr("350m"));
  EXPECT_THAT(error_of({{"scale_tokens", "20"}}), HasSubstr("at least 152"));
  EXPECT_THAT(error_of({{"scale_shard_sizes", "3"}}), HasSubstr("divides any of scale_ranks = 1,2"));
}

class StudyRunTest : public testing::Test {
 protected:
  /// Runs the study on two ranks; returns what it prints.
  std::string run(std::map<std::string, std::string> changes = {}) {
    auto all = small_study();
    all["output"] = directory_.path() + "/results";
    for (const auto& [key, value] : changes) all[key] = value;
    FakeJob job;
    job.instead = [](int rank, const Assign& assign) -> std::optional<Message> {
      Done done;
      done.task_id = assign.task.id;
      done.compute_type = "float32";
      done.sample = sample_step(0.5, rank, 3);
      return done;
    };
    MemoryLinks links(2);
    FakeWorkers workers(links, 2, job);
    testing::internal::CaptureStdout();
    std::string page;
    try {
      JobEnvironment environment;
      environment.name = "study";
      environment.ranks = 2;
      run_study(links.coordinator(), default_config(all), environment);
      page = testing::internal::GetCapturedStdout();
    } catch (...) {
      testing::internal::GetCapturedStdout();
      throw;
    }
    measured_ = workers.group_count();
    groups_ = workers.groups();
    return page;
  }

  std::string file(const std::string& name) const { return directory_.path() + "/results/" + name; }

  TemporaryDirectory directory_;
  int measured_ = 0;
  std::map<std::string, std::vector<int>> groups_;
};

TEST_F(StudyRunTest, MeasuresEachPointOnceOnItsRanksAndAgainIsFree) {
  const std::string first = run();
  EXPECT_EQ(measured_, 8);
  EXPECT_EQ(groups_.at("shape:350m, ranks 1, shards 1, micro-batches 1"), std::vector<int>{0});
  EXPECT_EQ(groups_.at("shape:350m, ranks 2, shards 2, micro-batches 2"), (std::vector<int>{0, 1}));
  EXPECT_EQ(run(), first);
  EXPECT_EQ(measured_, 0);
  run({{"force", "true"}});
  EXPECT_EQ(measured_, 8);
}

TEST_F(StudyRunTest, LeavesCoefficientsThatAPlanTakes) {
  run();
  const CalibratedMachine machine = parse_coefficients(read_file(file("coefficients.json")), "file", "cpu");
  EXPECT_DOUBLE_EQ(machine.machine.peak_flops, 4e9);
  EXPECT_THAT(machine.coefficients.source, HasSubstr("apportion scale"));
  EXPECT_THAT(read_file(file("scaling.html")), HasSubstr("shape:350m, shards 2: "));
}

TEST_F(StudyRunTest, MeasuresADamagedResultAgain) {
  run();
  const auto point = study_points(default_config(small_study()), "float32").front();
  write_file(result_path(directory_.path() + "/results", point.task.id), "nothing");
  run();
  EXPECT_EQ(measured_, 1);
}

TEST_F(StudyRunTest, RefusesMoreRanksThanThereAreBeforeItMeasures) {
  EXPECT_THROW(run({{"scale_ranks", "1,3"}}), UserError);
  EXPECT_FALSE(std::filesystem::exists(file("tasks")));
}

TEST(StudyPrediction, SharesOfTheBaseAreKnownWhereEveryBlockIsGatheredAnew) {
  auto bytes = [](const std::map<std::string, std::string>& changes) {
    auto all = small_study();
    for (const auto& [key, value] : changes) all[key] = value;
    const RunConfig config = default_config(all);
    std::vector<double> found;  // one rank; two, each with a base; two that share one
    for (const StudyPoint& point : study_points(config, "bfloat16")) {
      if (point.name == "shape:350m" && point.scaling == Scaling::weak)
        found.push_back(predict_step(point, config, planned_machine(config.capacity)).tensor_bytes);
    }
    return found;
  };
  const auto apart = bytes({{"node_sharing", "ignored"}, {"resident", "never"}});
  ASSERT_EQ(apart.size(), 3u);
  EXPECT_EQ(apart[0], apart[1]);
  EXPECT_LT(apart[2], 0.9 * apart[1]);
  EXPECT_EQ(bytes({{"node_sharing", "used"}, {"resident", "never"}})[2], 0);
  EXPECT_EQ(bytes({{"node_sharing", "ignored"}, {"resident", "always"}})[2], 0);
}

TEST(StudyPrediction, AGpuHoldsMoreThanTensors) {
  auto study = small_study();
  study["plan_machine"] = "h100-80";
  const RunConfig config = default_config(study);
  const CalibratedMachine machine = planned_machine(config.capacity);
  for (const StudyPoint& point : study_points(config, "bfloat16")) {
    const StepPrediction expected = predict_step(point, config, machine);
    if (expected.tensor_bytes == 0) continue;
    const RankLayout layout = step_layout(point, config, machine.machine);
    EXPECT_EQ(expected.process_bytes,
              expected.tensor_bytes + gpu_beside(point.shape, layout, expected.tensor_bytes).total());
  }
  study["plan_machine"] = "cpu";
  const RunConfig on_cpu = default_config(study);
  EXPECT_EQ(predict_step(study_points(on_cpu, "bfloat16")[0], on_cpu, planned_machine(on_cpu.capacity))
                .process_bytes,
            0);
}

TEST(StudyPrediction, PageHasARowForEachPointAndSaysThatNothingWasMeasured) {
  const RunConfig config = default_config(small_study());
  const auto points = study_points(config, "bfloat16");
  const CalibratedMachine machine = planned_machine(config.capacity);
  const std::string page = prediction_page(points, config, machine, {Charset::ascii, Color::off});
  EXPECT_THAT(page, testing::AllOf(HasSubstr("expected, not measured, on cpu"), HasSubstr("shape:350m")));
  auto json_study = small_study();
  json_study["json"] = "true";
  const auto json = nlohmann::json::parse(
      prediction_page(points, default_config(json_study), machine, {Charset::ascii, Color::off}));
  ASSERT_EQ(json.at("rows").size(), points.size());
  EXPECT_EQ(json.at("rows")[3].at("micro_batches"), 2);
  EXPECT_GT(json.at("rows")[3].at("seconds").get<double>(), 0);
}

}  // namespace
}  // namespace apportion
