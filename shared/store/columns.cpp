#include "shared/store/columns.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/config/method.h"
#include "shared/measure/category.h"

namespace apportion {
namespace {

// Probabilities are sums of float32 values: rounding may push them past 1, but by no more than this.
constexpr double rounding = 1e-3;

std::vector<std::string> storable(std::vector<std::string> texts) {
  for (std::string& text : texts) text = storable_text(text);
  return texts;
}

// One bit pattern for every NaN.
double canonical(double value) {
  return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
}

void pack_answers(const PromptResult& prompt, MeasureColumns& columns) {
  for (const AnswerCount& answer : prompt.answers) {
    columns.answer_subject.values.push_back(prompt.subject);
    columns.answer_prompt.values.push_back(prompt.wording);
    columns.answer_category.values.push_back(answer.category);
    columns.answer_count.values.push_back(answer.count);
    columns.answer_log_prob.values.push_back(answer.log_prob);
    columns.answer_finish.values.push_back(static_cast<uint8_t>(answer.finish));
    columns.answer_text.values.push_back(storable_text(answer.text));
  }
}

// Leaves the columns empty when every answer is listed: such files do not have these datasets.
void pack_unlisted(const MeasureResult& result, MeasureColumns& columns) {
  uint64_t all = 0;
  for (const PromptResult& prompt : result.prompts) all += prompt.unlisted_answers;
  if (all == 0) return;
  const auto s = static_cast<uint64_t>(result.subjects), p = static_cast<uint64_t>(result.wordings);
  const auto columns_of_one = static_cast<size_t>(result.categories) + 4;
  columns.unlisted.shape = {s, p, columns_of_one};
  columns.unlisted_answers.shape = {s, p};
  for (const PromptResult& prompt : result.prompts) {
    std::vector<uint64_t> rounds = prompt.unlisted;
    rounds.resize(columns_of_one, 0);
    columns.unlisted.values.insert(columns.unlisted.values.end(), rounds.begin(), rounds.end());
    columns.unlisted_answers.values.push_back(prompt.unlisted_answers);
  }
}

template <typename Value>
void append(std::vector<Value>& to, const std::vector<Value>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// Bounds that were not computed may be empty: they count as zero, with everything unexplored.
bool fits(const std::vector<double>& shares, size_t k) { return shares.empty() || shares.size() == k; }

std::vector<double> filled(const std::vector<double>& shares, size_t k, double value) {
  return shares.empty() ? std::vector<double>(k, value) : shares;
}

double high_of(double low, double unexplored) { return std::min(1.0, low + unexplored); }

bool has_sizes(const MeasureTables& tables, const MeasureResult& result) {
  size_t s = static_cast<size_t>(result.subjects), p = static_cast<size_t>(result.wordings);
  size_t k = static_cast<size_t>(result.categories);
  if (tables.subjects.size() != s || tables.categories.size() != k || tables.prompts.size() != s * p)
    return false;
  if (tables.target.size() != s || result.prompts.size() != s * p) return false;
  for (const auto& row : tables.target) {
    if (!row.empty() && row.size() != k) return false;
  }
  for (size_t i = 0; i < result.prompts.size(); ++i) {
    const PromptResult& prompt = result.prompts[i];
    if (static_cast<size_t>(prompt.subject) != i / p || static_cast<size_t>(prompt.wording) != i % p)
      return false;
    if (prompt.counts.size() != k + 2 || !fits(prompt.steering, k) || !fits(prompt.low, k)) return false;
  }
  return true;
}

using Shape = std::vector<uint64_t>;

std::string find_shape_fault(const MeasureColumns& columns) {
  constexpr uint64_t most = std::numeric_limits<int32_t>::max() - 2;
  if (columns.subjects.shape.size() != 1 || columns.categories.shape.size() != 1 ||
      columns.prompts.shape.size() != 2) {
    return "/subjects, /categories and /prompts do not have 1, 1 and 2 axes";
  }
  uint64_t s = columns.subjects.shape[0], k = columns.categories.shape[0], p = columns.prompts.shape[1];
  if (s == 0 || k == 0 || p == 0 || s > most || k > most || p > most)
    return "/prompts or /categories is empty or absurd";
  uint64_t a = columns.answer_text.values.size();
  std::string fault;
  auto expect = [&fault](const char* name, const Shape& found, const Shape& wanted) {
    if (found != wanted && fault.empty())
      fault = std::string(name) + " has a shape that does not fit /subjects, /prompts and /categories";
  };
  expect(layout::prompts, columns.prompts.shape, {s, p});
  expect(layout::target, columns.target.shape, {s, k});
  expect(layout::counts, columns.counts.shape, {s, p, k + 2});
  expect(layout::near_boundary, columns.near_boundary.shape, {s, p});
  if (columns.stories) expect(layout::no_story, columns.no_story.shape, {s, p});
  if (columns.judged) expect(layout::judge_failed, columns.failed.shape, {s, p});
  expect(layout::steering, columns.steering.shape, {s, p, k});
  expect(layout::low, columns.low.shape, {s, p, k});
  expect(layout::high, columns.high.shape, {s, p, k});
  expect(layout::unexplored, columns.unexplored.shape, {s, p});
  if (!columns.unlisted.shape.empty() || !columns.unlisted_answers.shape.empty()) {
    expect(layout::unlisted, columns.unlisted.shape, {s, p, k + 4});
    expect(layout::unlisted_answers, columns.unlisted_answers.shape, {s, p});
  }
  for (const Shape* shape :
       {&columns.answer_subject.shape, &columns.answer_prompt.shape, &columns.answer_category.shape,
        &columns.answer_count.shape, &columns.answer_log_prob.shape, &columns.answer_finish.shape,
        &columns.answer_text.shape}) {
    if (*shape != Shape{a} && fault.empty()) fault = "the columns of /answers differ in length";
  }
  return fault;
}

bool are_probabilities(const std::vector<double>& values) {
  for (double value : values) {
    if (!(value >= -rounding && value <= 1 + rounding)) return false;
  }
  return true;
}

std::string find_target_fault(const MeasureColumns& columns) {
  uint64_t k = columns.target.shape[1];
  for (uint64_t s = 0; s < columns.target.shape[0]; ++s) {
    double sum = 0;
    uint64_t unknown = 0;
    for (uint64_t j = 0; j < k; ++j) {
      double share = columns.target.values[s * k + j];
      unknown += std::isnan(share);
      sum += std::isnan(share) ? 0 : share;
      if (share < 0 || share > 1 + rounding) return "/target has a share outside 0 to 1";
    }
    bool whole = unknown == 0 && std::abs(sum - 1) <= rounding;
    if (!whole && unknown != k) return "/target has a row that does not add to 1";
  }
  return "";
}

std::string find_exact_fault(const MeasureColumns& columns) {
  if (!are_probabilities(columns.steering.values))
    return "/exact/steering has a value that is not a probability";
  if (!are_probabilities(columns.low.values)) return "/exact/low has a value that is not a probability";
  if (!are_probabilities(columns.unexplored.values))
    return "/exact/unexplored has a value that is not a probability";
  uint64_t k = columns.low.shape[2];
  for (size_t i = 0; i < columns.low.values.size(); ++i) {
    if (columns.high.values[i] != high_of(columns.low.values[i], columns.unexplored.values[i / k])) {
      return "/exact/high is not min(1, /exact/low + /exact/unexplored)";
    }
  }
  return "";
}

// /rounds/counts with /rounds/no_story and /rounds/failed as the last columns.
std::vector<uint64_t> all_counts(const MeasureColumns& columns, size_t k) {
  std::vector<uint64_t> all;
  for (size_t prompt = 0; prompt * (k + 2) < columns.counts.values.size(); ++prompt) {
    const auto begin = columns.counts.values.begin() + static_cast<ptrdiff_t>(prompt * (k + 2));
    all.insert(all.end(), begin, begin + static_cast<ptrdiff_t>(k + 2));
    all.push_back(columns.stories ? columns.no_story.values[prompt] : 0);
    all.push_back(columns.judged ? columns.failed.values[prompt] : 0);
  }
  return all;
}

std::string find_answer_fault(const MeasureColumns& columns) {
  int64_t s = static_cast<int64_t>(columns.prompts.shape[0]),
          p = static_cast<int64_t>(columns.prompts.shape[1]);
  int64_t k = static_cast<int64_t>(columns.categories.shape[0]);
  const std::vector<uint64_t> counts = all_counts(columns, static_cast<size_t>(k));
  // The key `rounds` allows a hundredth of it. Computing what sampled rounds should show takes longer with
  // more.
  constexpr uint64_t most_rounds = 1'000'000'000;
  if (std::any_of(counts.begin(), counts.end(), [](uint64_t count) { return count > most_rounds; }))
    return "/rounds has a count above " + std::to_string(most_rounds);
  std::vector<uint64_t> tally = columns.unlisted.values;
  tally.resize(counts.size(), 0);
  const int64_t lowest = columns.judged ? judge_failed : columns.stories ? no_story : unparsed;
  int64_t previous = 0;
  for (size_t i = 0; i < columns.answer_text.values.size(); ++i) {
    int64_t subject = columns.answer_subject.values[i], wording = columns.answer_prompt.values[i];
    int64_t category = columns.answer_category.values[i];
    if (subject < 0 || subject >= s || wording < 0 || wording >= p)
      return "/answers points to a prompt that does not exist";
    if (category < lowest || category >= k) return "/answers/category has a value that is not a category";
    if (columns.answer_finish.values[i] > 1) return "/answers/finish has a value that is neither 0 nor 1";
    bool cut = columns.answer_finish.values[i] == 1;
    if (cut && category != unparsed && !columns.stories) return "/answers has a cut answer with a category";
    if (std::isnan(columns.answer_log_prob.values[i])) return "/answers/log_prob is not a number";
    int64_t prompt = subject * p + wording;
    if (prompt < previous) return "/answers is not ordered by prompt";
    previous = prompt;
    const AnswerCount answer{static_cast<int32_t>(category), 0, 0, cut ? Finish::cut : Finish::end, ""};
    tally[static_cast<size_t>(prompt * (k + 4)) +
          column_of(answer, static_cast<size_t>(k), columns.stories)] += columns.answer_count.values[i];
  }
  return tally == counts ? "" : "/rounds/counts is not what /answers/count and /rounds/unlisted add to";
}

void add_number(Digest& digest, uint64_t number) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  digest.add({bytes, 8});
}

void add_text(Digest& digest, std::string_view text) {
  add_number(digest, text.size());
  digest.add(text);
}

template <typename Value>
void add_array(Digest& digest, const char* name, const Hdf5Array<Value>& array) {
  add_text(digest, name);
  add_number(digest, array.shape.size());
  for (uint64_t size : array.shape) add_number(digest, size);
  if constexpr (std::is_same_v<Value, std::string>) {
    for (const std::string& text : array.values) add_text(digest, text);
  } else {
    digest.add({reinterpret_cast<const char*>(array.values.data()), array.values.size() * sizeof(Value)});
  }
}

}  // namespace

MeasureColumns pack(const MeasureFile& file) {
  const MeasureTables& tables = file.tables;
  const MeasureResult& result = file.result;
  ensure(result.subjects > 0 && result.wordings > 0 && result.categories > 0, "a measured set has prompts");
  ensure(has_sizes(tables, result),
         "a measured set's parts have the sizes of its subjects, wordings, categories");
  uint64_t s = static_cast<uint64_t>(result.subjects), p = static_cast<uint64_t>(result.wordings);
  uint64_t k = static_cast<uint64_t>(result.categories);
  MeasureColumns columns;
  columns.stories = reads_stories(file.record.task);
  columns.judged = is_judged(file.record.task);
  columns.subjects = {{s}, storable(tables.subjects)};
  columns.categories = {{k}, storable(tables.categories)};
  columns.prompts = {{s, p}, storable(tables.prompts)};
  columns.target.shape = {s, k};
  for (const auto& row : tables.target) {
    for (double share : filled(row, k, std::numeric_limits<double>::quiet_NaN()))
      columns.target.values.push_back(canonical(share));
  }
  columns.counts.shape = {s, p, k + 2};
  columns.near_boundary.shape = columns.unexplored.shape = columns.no_story.shape =
      columns.failed.shape = {s, p};
  columns.steering.shape = columns.low.shape = columns.high.shape = {s, p, k};
  for (const PromptResult& prompt : result.prompts) {
    append(columns.counts.values, prompt.counts);
    columns.near_boundary.values.push_back(prompt.draws_near_boundary);
    ensure(columns.stories || prompt.no_story == 0, "only where stories are asked for there may be none");
    ensure(columns.judged || prompt.judge_failed == 0, "only a judge's judgement fails");
    columns.failed.values.push_back(prompt.judge_failed);
    columns.no_story.values.push_back(prompt.no_story);
    append(columns.steering.values, filled(prompt.steering, k, 0));
    append(columns.low.values, filled(prompt.low, k, 0));
    for (double low : filled(prompt.low, k, 0))
      columns.high.values.push_back(high_of(low, prompt.unexplored));
    columns.unexplored.values.push_back(prompt.unexplored);
    pack_answers(prompt, columns);
  }
  pack_unlisted(result, columns);
  uint64_t a = columns.answer_text.values.size();
  columns.answer_subject.shape = columns.answer_prompt.shape = columns.answer_category.shape = {a};
  columns.answer_count.shape = columns.answer_log_prob.shape = columns.answer_finish.shape = {a};
  columns.answer_text.shape = {a};
  return columns;
}

std::string find_fault(const MeasureColumns& columns) {
  for (auto find : {find_shape_fault, find_target_fault, find_exact_fault, find_answer_fault}) {
    std::string fault = find(columns);
    if (!fault.empty()) return fault;
  }
  return "";
}

std::string complete_figures(MeasureColumns& columns) {
  const Shape counts = columns.counts.shape;
  if (counts.size() != 3 || counts[2] < 2) return "/rounds/counts does not have three axes";
  const uint64_t s = counts[0], p = counts[1], k = counts[2] - 2;
  columns.subjects = {{s}, std::vector<std::string>(s)};
  columns.categories = {{k}, std::vector<std::string>(k)};
  columns.prompts = {{s, p}, std::vector<std::string>(s * p)};
  columns.near_boundary = columns.unlisted_answers = {{s, p}, std::vector<uint64_t>(s * p, 0)};
  columns.answer_subject.shape = columns.answer_prompt.shape = columns.answer_category.shape =
      columns.answer_count.shape = columns.answer_log_prob.shape = columns.answer_finish.shape =
          columns.answer_text.shape = {0};
  columns.high.shape = {s, p, k};
  columns.unlisted.shape = {s, p, k + 4};
  std::string fault = find_shape_fault(columns);
  if (!fault.empty()) return fault;
  for (size_t i = 0; i < columns.low.values.size(); ++i)
    columns.high.values.push_back(high_of(columns.low.values[i], columns.unexplored.values[i / k]));
  columns.unlisted.values = all_counts(columns, k);
  return "";
}

void unpack(const MeasureColumns& columns, MeasureFile& file) {
  size_t s = columns.subjects.shape[0], p = columns.prompts.shape[1], k = columns.categories.shape[0];
  file.tables = {columns.subjects.values, columns.categories.values, columns.prompts.values, {}};
  auto part = [](const auto& array, size_t row, size_t width) {
    auto begin = array.values.begin() + static_cast<ptrdiff_t>(row * width);
    return std::vector(begin, begin + static_cast<ptrdiff_t>(width));
  };
  for (size_t i = 0; i < s; ++i) file.tables.target.push_back(part(columns.target, i, k));
  file.result = {static_cast<int>(s), static_cast<int>(p), static_cast<int>(k), {}};
  file.result.prompts.resize(s * p);
  for (size_t i = 0; i < s * p; ++i) {
    PromptResult& prompt = file.result.prompts[i];
    prompt.subject = static_cast<int32_t>(i / p);
    prompt.wording = static_cast<int32_t>(i % p);
    prompt.counts = part(columns.counts, i, k + 2);
    prompt.steering = part(columns.steering, i, k);
    prompt.low = part(columns.low, i, k);
    prompt.unexplored = columns.unexplored.values[i];
    prompt.draws_near_boundary = columns.near_boundary.values[i];
    if (columns.stories) prompt.no_story = columns.no_story.values[i];
    if (columns.judged) prompt.judge_failed = columns.failed.values[i];
    if (columns.unlisted.shape.empty()) continue;
    prompt.unlisted_answers = columns.unlisted_answers.values[i];
    if (prompt.unlisted_answers > 0) prompt.unlisted = part(columns.unlisted, i, k + 4);
  }
  for (size_t i = 0; i < columns.answer_text.values.size(); ++i) {
    size_t prompt = static_cast<size_t>(columns.answer_subject.values[i]) * p +
                    static_cast<size_t>(columns.answer_prompt.values[i]);
    file.result.prompts[prompt].answers.push_back(
        {columns.answer_category.values[i], columns.answer_count.values[i], columns.answer_log_prob.values[i],
         static_cast<Finish>(columns.answer_finish.values[i]), columns.answer_text.values[i]});
  }
}

std::string content_digest(const TaskRecord& record, const MeasureColumns& columns) {
  Digest digest;
  add_text(digest, record.task.identity.text());
  for_each_dataset(columns, [&](const char* name, const auto& array) { add_array(digest, name, array); });
  for_each_optional_dataset(columns, [&](const char* name, const auto& array) {
    if (!array.shape.empty()) add_array(digest, name, array);
  });
  return digest.hex();
}

std::string content_digest(const TaskRecord& record, const TrainLog& log, const std::string& adapter_digest) {
  Digest digest;
  add_text(digest, record.task.identity.text());
  for_each_column(log, [&](const std::string& name, const std::vector<double>& column) {
    if (name == "seconds") return;
    add_array(digest, name.c_str(), Hdf5Array<double>{{column.size()}, column});
  });
  add_text(digest, adapter_digest);
  return digest.hex();
}

std::string content_digest(const TaskRecord& record, const std::vector<StepSample>& samples) {
  Digest digest;
  add_text(digest, record.task.identity.text());
  for (const StepSample& sample : samples) {
    add_array(digest, layout::step_tokens, Hdf5Array<double>{{1}, {sample.tokens}});
    add_array(digest, layout::step_flops, Hdf5Array<double>{{1}, {sample.flops}});
  }
  return digest.hex();
}

}  // namespace apportion
