// The made-up study; see sample_study.h.
#include "tests/support/sample_study.h"

namespace apportion {

StepSample sample_step(double seconds, int rank, int steps) {
  StepSample sample;
  // The first and last timed steps are outliers, which a median ignores.
  sample.seconds.assign(static_cast<size_t>(steps), seconds * (1 + 0.1 * rank));
  sample.seconds.front() *= 3;
  sample.seconds.back() /= 3;
  sample.resident_seconds.assign(sample.seconds.size(), seconds * (0.9 + 0.1 * rank));
  sample.tokens = 1000;
  sample.flops = 1e9;
  sample.peak_flops = 4e9;
  sample.base_bytes = 1048576.0 * (1 + rank);
  sample.tensor_bytes = 1048576.0 * (20 + rank);
  sample.process_bytes = 1048576.0 * 100;
  return sample;
}

std::vector<StudyRow> sample_study(const RunConfig& config) {
  std::vector<StudyRow> rows;
  for (const StudyPoint& point : study_points(config, "float32")) {
    StudyRow row{point, {{point.task, {}, {}}, {}}, {0.9, 1048576.0 * 30}};
    for (int rank = 0; rank < point.ranks; ++rank) {
      StepSample sample = sample_step(1.0 * point.micro_batches / point.ranks, rank, 3);
      sample.tokens = 1000.0 * point.micro_batches;
      row.file.samples.push_back(sample);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace apportion
