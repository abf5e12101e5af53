#include "coordinator/report/view/answer_view.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "shared/measure/category.h"

namespace apportion {
namespace {

struct Gathered {
  AnswerView view;
  std::set<int32_t> subjects;
  double probabilities = 0;
  size_t prompts = 0;
};

std::vector<AnswerView> gather(const MeasureFile& file) {
  std::map<std::tuple<std::string, int32_t, bool>, Gathered> all;
  for (const PromptResult& prompt : file.result.prompts) {
    for (const AnswerCount& answer : prompt.answers) {
      const bool cut = answer.finish == Finish::cut;
      Gathered& one = all[{answer.text, answer.category, cut}];
      one.view.text = answer.text;
      one.view.category = answer.category;
      one.view.is_cut = cut;
      one.view.rounds += answer.count;
      one.subjects.insert(prompt.subject);
      one.probabilities += std::exp(answer.log_prob);
      ++one.prompts;
    }
  }
  std::vector<AnswerView> answers;
  for (auto& [key, one] : all) {
    one.view.subjects = static_cast<int>(one.subjects.size());
    one.view.probability = one.probabilities / static_cast<double>(one.prompts);
    answers.push_back(std::move(one.view));
  }
  std::stable_sort(answers.begin(), answers.end(), [](const AnswerView& a, const AnswerView& b) {
    const bool wrong_a = a.category < 0, wrong_b = b.category < 0;
    return wrong_a != wrong_b ? wrong_a : a.rounds > b.rounds;
  });
  return answers;
}

}  // namespace

AnswerList answers_of(const MeasureFile& file, size_t most) {
  AnswerList list;
  size_t shown[2] = {0, 0};
  for (AnswerView& answer : gather(file)) {
    if (shown[answer.category < 0 ? 1 : 0]++ < most) {
      list.shown.push_back(std::move(answer));
    } else {
      ++list.others;
      list.other_rounds += answer.rounds;
    }
  }
  for (const PromptResult& prompt : file.result.prompts) {
    list.rounds += rounds_of(prompt);
    list.others += prompt.unlisted_answers;
    list.other_rounds += std::accumulate(prompt.unlisted.begin(), prompt.unlisted.end(), uint64_t{0});
  }
  return list;
}

std::string category_text(const AnswerView& answer, const std::vector<std::string>& categories) {
  if (answer.category >= 0) return categories.at(static_cast<size_t>(answer.category));
  if (answer.category == no_story) return "no story";
  if (answer.category == judge_failed) return "judgement failed";
  return answer.is_cut ? "cut" : "none";
}

TableView answer_table(const AnswerList& answers, const std::vector<std::string>& categories) {
  TableView table{{{"answer", Align::left},
                   {"category", Align::left, "what the answer is counted as"},
                   {"rounds", Align::right, "that gave it, of all subjects and wordings"},
                   {"subjects", Align::right, "that have it among their answers"},
                   {"probability", Align::right, "the model's own, mean over the prompts that gave it"}},
                  {}};
  for (const AnswerView& answer : answers.shown) {
    table.rows.push_back({{answer.text},
                          {category_text(answer, categories), {}, answer.category < 0},
                          number_entry(static_cast<double>(answer.rounds), 0),
                          number_entry(answer.subjects, 0),
                          number_entry(answer.probability, 4)});
  }
  return table;
}

}  // namespace apportion
