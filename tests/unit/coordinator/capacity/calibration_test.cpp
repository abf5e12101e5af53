// Coefficients from seconds: those that the cost model itself predicts for a slower machine lead back to that
// machine.
#include "coordinator/capacity/calibration.h"

#include <gtest/gtest.h>

#include "shared/model/step_time.h"
#include "tests/support/sample_study.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

RunConfig config() {
  return default_config({{"scale_shapes", "350m smollm2-135m"}, {"plan_machine", "cpu"}});
}

/// Rows whose seconds are the cost model's own for `machine`.
std::vector<StudyRow> predicted_rows(const CalibratedMachine& machine) {
  std::vector<StudyRow> rows = sample_study(config());
  for (StudyRow& row : rows) {
    const RankLayout layout = step_layout(row.point, config(), machine.machine);
    const StepLoad load = study_tree(config().scale).load(row.point.micro_batches / row.point.ranks);
    const double seconds = step_time(row.point.shape, config().lora, load, layout, machine).total();
    for (StepSample& sample : row.file.samples) {
      sample.seconds = sample.resident_seconds = {seconds, seconds};
      sample.peak_flops = machine.machine.peak_flops;
    }
  }
  return rows;
}

TEST(Calibration, FindsTheMachineThatTheSecondsCameFrom) {
  const CalibratedMachine assumed = planned_machine(config().capacity);
  CalibratedMachine slow = assumed;
  slow.machine.peak_flops /= 2;
  slow.coefficients.matrix_efficiency *= 0.5;
  slow.coefficients.attention_efficiency *= 0.5;
  slow.coefficients.memory_efficiency *= 0.5;
  const CalibratedMachine found = calibrate(predicted_rows(slow), config());
  EXPECT_DOUBLE_EQ(found.machine.peak_flops, slow.machine.peak_flops);
  EXPECT_NEAR(found.coefficients.matrix_efficiency, slow.coefficients.matrix_efficiency, 0.005);
  EXPECT_NEAR(found.coefficients.memory_efficiency, slow.coefficients.memory_efficiency, 0.005);
  EXPECT_DOUBLE_EQ(found.coefficients.link_efficiency, assumed.coefficients.link_efficiency);
}

TEST(Calibration, TheFileComesBack) {
  const CalibratedMachine assumed = planned_machine(config().capacity);
  const auto rows = predicted_rows(assumed);
  const CalibratedMachine found = calibrate(rows, config());
  const CalibratedMachine read = parse_coefficients(coefficients_json(rows, config()), "file", "cpu");
  EXPECT_DOUBLE_EQ(read.coefficients.attention_efficiency, found.coefficients.attention_efficiency);
  EXPECT_DOUBLE_EQ(read.machine.peak_flops, found.machine.peak_flops);
  EXPECT_EQ(read.coefficients.source, found.coefficients.source);
}

TEST(Calibration, RowsWithoutAResidentTwinLeaveTheAssumptions) {
  const CalibratedMachine assumed = planned_machine(config().capacity);
  auto rows = predicted_rows(assumed);
  for (StudyRow& row : rows) {
    for (StepSample& sample : row.file.samples) sample.resident_seconds.clear();
  }
  EXPECT_DOUBLE_EQ(calibrate(rows, config()).coefficients.matrix_efficiency,
                   assumed.coefficients.matrix_efficiency);
}

}  // namespace
}  // namespace apportion
