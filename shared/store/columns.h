// A task's results as the arrays of its file, and back: one list of datasets serves writing, reading and
// hashing. task_file.h has the attributes and the file itself.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "shared/link/message.h"
#include "shared/store/hdf5_file.h"
#include "shared/store/layout.h"
#include "shared/store/task_file.h"

namespace apportion {

/// The datasets of a measure task; shapes as layout.h gives them.
struct MeasureColumns {
  Hdf5Array<std::string> subjects, categories, prompts;
  Hdf5Array<double> target;
  Hdf5Array<uint64_t> counts, near_boundary;
  Hdf5Array<int32_t> answer_subject, answer_prompt, answer_category;
  Hdf5Array<uint64_t> answer_count;
  Hdf5Array<double> answer_log_prob;
  Hdf5Array<uint8_t> answer_finish;
  Hdf5Array<std::string> answer_text;
  Hdf5Array<double> steering, low, high, unexplored;
  bool stories = false,
       judged = false;  // only stories count; a judge read them: each adds a column
  Hdf5Array<uint64_t> no_story, failed;
  Hdf5Array<uint64_t> unlisted, unlisted_answers;  // without a shape when every answer is listed
};

/// Calls visit(name, array) for each dataset in the order they are written.
template <typename Columns, typename Visit>
void for_each_dataset(Columns& columns, Visit visit) {
  visit(layout::subjects, columns.subjects);
  visit(layout::categories, columns.categories);
  visit(layout::prompts, columns.prompts);
  visit(layout::target, columns.target);
  visit(layout::counts, columns.counts);
  visit(layout::near_boundary, columns.near_boundary);
  visit(layout::answer_subject, columns.answer_subject);
  visit(layout::answer_prompt, columns.answer_prompt);
  visit(layout::answer_category, columns.answer_category);
  visit(layout::answer_count, columns.answer_count);
  visit(layout::answer_log_prob, columns.answer_log_prob);
  visit(layout::answer_finish, columns.answer_finish);
  visit(layout::answer_text, columns.answer_text);
  visit(layout::steering, columns.steering);
  visit(layout::low, columns.low);
  visit(layout::high, columns.high);
  visit(layout::unexplored, columns.unexplored);
  if (columns.stories) visit(layout::no_story, columns.no_story);
  if (columns.judged) visit(layout::judge_failed, columns.failed);
}

/// The datasets from which errors are computed; the rest are questions, answers and what follows from these.
template <typename Columns, typename Visit>
void for_each_figure_dataset(Columns& columns, Visit visit) {
  constexpr std::string_view figures[] = {layout::target,      layout::counts,     layout::steering,
                                          layout::low,         layout::unexplored, layout::no_story,
                                          layout::judge_failed};
  for_each_dataset(columns, [&](const char* name, auto& array) {
    if (std::find(std::begin(figures), std::end(figures), name) != std::end(figures)) visit(name, array);
  });
}

/// The same for datasets that a file may lack.
template <typename Columns, typename Visit>
void for_each_optional_dataset(Columns& columns, Visit visit) {
  visit(layout::unlisted, columns.unlisted);
  visit(layout::unlisted_answers, columns.unlisted_answers);
}

/// Calls visit(name, column) for each column of a training log. `seconds` is last: it is not compared.
template <typename Log, typename Visit>
void for_each_column(Log& log, Visit visit) {
  visit("step", log.step);
  visit("loss", log.loss);
  visit("kl", log.kl);
  visit("kto", log.kto);
  visit("retain", log.retain);
  visit("z", log.z);
  visit("z_unclamped", log.z_unclamped);
  visit("coverage", log.coverage);
  visit("grad_norm", log.grad_norm);
  visit("lr", log.lr);
  visit("tokens", log.tokens);
  visit("seconds", log.seconds);
}

/// Calls visit(name, value) for each number that a rank reports for a scale task.
template <typename Sample, typename Visit>
void for_each_number(Sample& sample, Visit visit) {
  visit(layout::step_tokens, sample.tokens);
  visit(layout::step_flops, sample.flops);
  visit(layout::peak_flops, sample.peak_flops);
  visit(layout::base_bytes, sample.base_bytes);
  visit(layout::tensor_bytes, sample.tensor_bytes);
  visit(layout::process_bytes, sample.process_bytes);
}

/// Throws InternalError when the sizes of `file`'s parts do not match its S, P and K.
MeasureColumns pack(const MeasureFile& file);

/// What is wrong with columns that were read, in one line that names the dataset; empty when nothing is.
std::string find_fault(const MeasureColumns& columns);

/// Completes columns of which only those of for_each_figure_dataset() were read: texts are empty, and no
/// answer is listed. If their shapes are wrong, says how and changes nothing; otherwise returns an empty
/// text.
std::string complete_figures(MeasureColumns& columns);

/// Fills tables and result from columns without fault.
void unpack(const MeasureColumns& columns, MeasureFile& file);

/// SHA-256 over the task's identity and every dataset that must be equal between runs of the task.
std::string content_digest(const TaskRecord& record, const MeasureColumns& columns);
std::string content_digest(const TaskRecord& record, const TrainLog& log, const std::string& adapter_digest);
/// For a scale task only tokens and FLOPs: the rest is what it measures.
std::string content_digest(const TaskRecord& record, const std::vector<StepSample>& samples);

}  // namespace apportion
