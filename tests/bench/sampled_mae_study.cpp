// Whether sampled rounds say what the exact shares say: the models that a results folder has trained are
// asked again with many seeds, and the mean of the sampled MAE is set beside the MAE that follows from the
// exact shares in closed form. Usage: sampled_mae_study RESULTS [SEEDS [TEST_SET [ROUNDS]]]; seeds count from
// 0.
#include <cmath>
#include <cstdio>
#include <string>

#include "coordinator/report_data.h"
#include "shared/measure/category.h"
#include "worker/asked_prompts.h"
#include "worker/device.h"
#include "worker/models/adapter_file.h"
#include "worker/sample/measure_units.h"

namespace apportion {
namespace {

RunConfig config_of(const TaskRecord& record) {
  std::vector<Setting> settings;
  for (const auto& [key, value] : record.config)
    settings.push_back({key, value, "the result's configuration"});
  return make_run_config(settings);
}

/// The rounds of one seed.
MeasureResult drawn(const MeasureTools& tools, const Session& session, const std::string& test_set) {
  const auto asked = asked_prompts(session, test_set, Asking::plainly, tools.seed);
  const auto per_unit = static_cast<size_t>(tools.config.unit_prompts);
  std::vector<std::vector<MeasurePrompt>> units;
  for (size_t p = 0; p < asked.size(); ++p) {
    if (p % per_unit == 0) units.emplace_back();
    units.back().push_back(asked[p].parts.front());
  }
  MeasureResult result;
  result.subjects = asked.back().parts.front().subject + 1;
  result.wordings = asked.back().parts.front().wording + 1;
  result.categories = static_cast<int>(session.dataset().categories.size());
  result.prompts.resize(asked.size());
  const auto alone = make_local_collectives();
  measure_units(tools, units, *alone, [&](size_t index, UnitResult unit) {
    for (size_t i = 0; i < unit.prompts.size(); ++i)
      result.prompts[index * per_unit + i] = std::move(unit.prompts[i]);
  });
  return result;
}

void study(const std::string& directory, const CellView& cell, const MeasureView& measured, int seeds,
           uint64_t rounds) {
  RunConfig config = config_of(measured.file.record);
  if (rounds > 0) config.measure.rounds = rounds;
  config.measure.exact_nodes = 0;  // rounds alone: the exact shares are known
  const at::ScalarType type = resolve_compute_type(config.measure_compute_type);
  Session session(config, compute_device(0), 1);
  const Llama& model = session.model(type, {0});
  Adapter adapter = load_adapter(adapter_directory(directory, measured.file.record.task.inputs.front()),
                                 session.shape(), session.device());
  adapter.refresh(type);
  const CategoryParser parser = CategoryParser::of(session.dataset());
  std::vector<double> maes;
  for (int seed = 0; seed < seeds; ++seed) {
    const MeasureTools tools{
        model,  &adapter,       session.tokenizer(),         session.chat().end_of_turn(),
        parser, config.measure, static_cast<uint64_t>(seed), Reading::category};
    maes.push_back(
        *measure_metrics(drawn(tools, session, measured.test_set), measured.file.tables.target).mae);
  }
  double mean = 0, squares = 0, expected = 0;
  for (double mae : maes) mean += mae / seeds;
  for (double mae : maes) squares += (mae - mean) * (mae - mean) / (seeds - 1);
  const MeasureResult& exact = measured.file.result;
  for (int s = 0; s < exact.subjects; ++s) {
    const SubjectMetrics& subject = measured.metrics.subjects[static_cast<size_t>(s)];
    std::vector<double> share;
    double sum = 0;
    for (double low : subject.exact_low) sum += low;
    for (double low : subject.exact_low) share.push_back(low / sum);
    expected +=
        expected_mae(share, measured.file.tables.target[static_cast<size_t>(s)], config.measure.rounds) /
        exact.subjects;
  }
  const double error = std::sqrt(squares / seeds);
  std::printf(
      "%s, %s, %llu rounds: sampled MAE over %d seeds %.5f (standard error %.5f, a seed's deviation %.5f), "
      "expected %.5f: %.1f standard errors apart\n",
      cell.cell.name.c_str(), measured.test_set.c_str(),
      static_cast<unsigned long long>(config.measure.rounds), seeds, mean, error, std::sqrt(squares),
      expected, (mean - expected) / error);
  std::fflush(stdout);
}

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  using namespace apportion;
  if (argc < 2) return 2;
  const std::string directory = argv[1], test_set = argc > 3 ? argv[3] : "v2";
  const int seeds = argc > 2 ? std::stoi(argv[2]) : 100;
  for (const CellView& cell : load_cells(directory)) {
    const MeasureView* measured = cell.measure("after", test_set);
    if (!measured || measured->file.record.task.inputs.empty()) continue;
    study(directory, cell, *measured, seeds, argc > 4 ? std::stoull(argv[4]) : 0);
  }
  return 0;
}
