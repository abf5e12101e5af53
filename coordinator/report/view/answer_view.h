// The distinct answers of a measured test set over all its subjects and wordings: those without a category
// first, the most frequent first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/report/view/table_view.h"
#include "shared/store/task_file.h"

namespace apportion {

/// A distinct answer with its category, given in rounds of any prompt.
struct AnswerView {
  std::string text;
  int32_t category = 0;  // below 0: none (measure/category.h)
  bool is_cut = false;
  uint64_t rounds = 0;
  int subjects = 0;        // subjects with this answer
  double probability = 0;  // the model's own, averaged over the prompts that gave it
};

struct AnswerList {
  std::vector<AnswerView> shown;
  size_t others = 0;          // distinct answers that are not shown
  uint64_t other_rounds = 0;  // rounds that gave those, or answers missing from the file
  uint64_t rounds = 0;        // all
};

/// Shows at most `most` of each kind: without a category, and with one.
AnswerList answers_of(const MeasureFile& file, size_t most);

/// "none", "cut", "no story", "judgement failed", or the category's name.
std::string category_text(const AnswerView& answer, const std::vector<std::string>& categories);

TableView answer_table(const AnswerList& answers, const std::vector<std::string>& categories);

}  // namespace apportion
