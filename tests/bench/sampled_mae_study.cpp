// Whether sampled rounds agree with the exact shares: asks the models that a results folder has trained again
// and again, with new draws each time, and compares the mean of the sampled MAE with the MAE that follows
// from the exact shares in closed form. Usage: sampled_mae_study RESULTS [TIMES [TEST_SET]].
#include <cmath>
#include <cstdio>
#include <string>

#include "coordinator/report/data/report_data.h"
#include "shared/measure/categorise.h"
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

/// The test set's prompts in units as in a measure task, except that each is in its unit `times` times, so
/// that the prompt itself is computed only once. A prompt's key, by which its draws are keyed, names the
/// repetition.
std::vector<std::vector<MeasurePrompt>> units_of(const Session& session, const std::string& test_set,
                                                 int times) {
  const auto most = static_cast<size_t>(session.config().measure.unit_prompts * times);
  std::vector<std::vector<MeasurePrompt>> units;
  for (const AskedPrompt& asked : asked_prompts(session, test_set, Asking::plainly)) {
    if (units.empty() || units.back().size() == most) units.emplace_back();
    for (int time = 0; time < times; ++time) {
      units.back().push_back(asked.parts.front());
      units.back().back().draw_key += "\ntime " + std::to_string(time);
    }
  }
  return units;
}

/// The rounds of each repetition, in results with the sizes of `like`.
std::vector<MeasureResult> drawn(const MeasureTools& tools, const AnswerReader& reader,
                                 const std::vector<std::vector<MeasurePrompt>>& units,
                                 const MeasureResult& like, int times) {
  std::vector<MeasureResult> results(static_cast<size_t>(times),
                                     {like.subjects, like.wordings, like.categories, {}});
  for (MeasureResult& result : results) result.prompts.resize(like.prompts.size());
  const auto alone = make_local_collectives();
  measure_units(tools, units, *alone, [&](size_t index, UnitResult unit) {
    for (size_t i = 0; i < unit.prompts.size(); ++i) {
      const size_t place = index * units.front().size() + i;
      results[place % results.size()].prompts[place / results.size()] = categorise(reader, unit.prompts[i]);
    }
  });
  return results;
}

void study(const std::string& directory, const CellView& cell, const MeasureView& measured, int times) {
  RunConfig config = config_of(measured.file.record);
  config.measure.exact_nodes = 0;  // only rounds: the exact shares are known
  const at::ScalarType type = resolve_compute_type(config.measure_compute_type);
  Session session(config, compute_device(0), 1);
  const Llama& model = session.model(type, {0});
  Adapter adapter = load_adapter(adapter_directory(directory, measured.file.record.task.inputs.front()),
                                 session.shape(), session.device());
  adapter.refresh(type);
  const CategoryParser parser = CategoryParser::of(session.dataset());
  const MeasureTools tools{model,          &adapter,        session.tokenizer(), session.chat().end_of_turn(),
                           config.measure, config.data.seed};
  const AnswerReader reader{parser, Reading::category, config.data.seed};
  std::vector<double> maes;
  for (const MeasureResult& result :
       drawn(tools, reader, units_of(session, measured.test_set, times), measured.file.result, times)) {
    maes.push_back(*measure_metrics(result, measured.file.tables.target).mae);
  }
  const double expected = measured.metrics.expected_mae.value();
  double mean = 0, squares = 0;
  for (double mae : maes) mean += mae / times;
  for (double mae : maes) squares += (mae - mean) * (mae - mean) / (times - 1);
  const double error = std::sqrt(squares / times);
  std::printf(
      "%s, %s, %llu rounds: sampled MAE of %d times %.5f (standard error %.5f, one time's deviation %.5f), "
      "expected %.5f: %.1f standard errors apart\n",
      cell.cell.name.c_str(), measured.test_set.c_str(),
      static_cast<unsigned long long>(config.measure.rounds), times, mean, error, std::sqrt(squares),
      expected, (mean - expected) / error);
  std::fflush(stdout);
}

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  using namespace apportion;
  if (argc < 2) return 2;
  const std::string directory = argv[1], test_set = argc > 3 ? argv[3] : "v2";
  const int times = argc > 2 ? std::stoi(argv[2]) : 100;
  for (const CellView& cell : load_cells(directory)) {
    const MeasureView* measured = cell.measure("after", test_set);
    if (!measured || measured->file.record.task.inputs.empty()) continue;
    study(directory, cell, *measured, times);
  }
  return 0;
}
