// Results as a run would leave them, drawn from made-up models, for tests of the store and its readers.
#pragma once

#include <string>
#include <vector>

#include "shared/store/index.h"
#include "shared/store/task_file.h"

namespace apportion {

/// A made-up model's answers to a test set. `scatter`: how far shares scatter around the target; `bias`: the
/// share that always goes to category 0; `lost`: the share of rounds without a category; `explored`: the mass
/// of the exact part.
struct SampleModel {
  double scatter = 0.02, bias = 0, lost = 0, explored = 0.995, coverage = 0.999;
};

struct SampleSet {
  std::string dataset = "gender-us-real", test_set = "v2";
  std::vector<std::string> subjects, categories;
  std::vector<std::vector<double>> target;
  int wordings = 3;
  uint64_t rounds = 100;
};

/// 14 occupations and the share of men in each. Answers of test set v3 are read as stories.
SampleSet sample_gender_set(const std::string& test_set);
/// The same occupations, five categories, 1/5 each.
SampleSet sample_race_set(const std::string& test_set);

/// A task whose id is the SHA-256 of its identity.
Task sample_task(const std::string& kind, const std::string& label, const std::string& dataset,
                 const std::vector<std::string>& inputs, const std::string& test_set);

MeasureFile sample_measure(const SampleSet& set, const SampleModel& model,
                           const std::vector<std::string>& inputs);
/// Two subjects in one wording, for tests that write it very often.
MeasureFile small_measure(const std::string& test_set);
/// The stories of `measured` as the judge `judge` reads them. Any judge but the lexical one takes a prompt's
/// first answer for the other category or, with every second subject, fails on it.
MeasureFile sample_judged(const MeasureFile& measured, const std::string& judge);
TrainFile sample_training(const std::string& kind, const std::string& dataset,
                          const std::vector<std::string>& inputs);

/// Writes the tasks of one cell (untouched model, two stages, trained model on v2 and heldout) and returns
/// it; the index is not written.
Cell write_sample_cell(const std::string& directory, const std::string& dataset);

/// Two cells, gender-us-real and race-us-even, and the index.
std::vector<Cell> write_sample_results(const std::string& directory);

/// A new empty directory in the system's temporary one; removed with its contents at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace apportion
