#include "coordinator/report/card/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "coordinator/report/card/loading.h"
#include "coordinator/report/markdown/markdown_text.h"
#include "coordinator/report/plain_text.h"
#include "coordinator/report/view/cell_tables.h"
#include "coordinator/report/view/cell_words.h"
#include "coordinator/report/view/page_words.h"
#include "coordinator/report/view/paper_view.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/config/option_table.h"
#include "shared/config/version.h"

namespace apportion {
namespace {

/// YAML reads 1e-05 as text, so a number gets a dot.
std::string yaml_number(double value) {
  std::string text = nlohmann::json(value).dump();
  const size_t exponent = text.find('e');
  if (exponent != std::string::npos && text.find('.') == std::string::npos) text.insert(exponent, ".0");
  return text;
}

constexpr size_t most_subjects = 20;
/// Raised whenever the card for the same results changes.
constexpr const char* card_revision = "card 1";

constexpr std::string_view seal_begin =
    "<!-- apportion wrote this card, and writes it anew unless it was changed. Made of ";
constexpr std::string_view seal_middle = "; SHA-256 of what is above: ";
constexpr std::string_view seal_end = " -->\n";

/// The card with its last line.
std::string sealed(const std::string& text, const std::string& key) {
  return text + "\n" + std::string(seal_begin) + key + std::string(seal_middle) + sha256(text) +
         std::string(seal_end);
}

class ModelCard {
 public:
  ModelCard(const CellView& view, const CardSubject& subject) : view_(view), subject_(subject) {
    for (const TrainView& training : view.training) {
      stages_.push_back(&training);
      if (training.file.record.task.id == subject.task) break;
    }
    ensure(!stages_.empty() && trained().task.id == subject.task, "a card's task is one of its cell's");
    is_last_ = stages_.size() == view.training.size();
    asked_ = view.headline();
    if (is_last_) measure_ = asked_;
  }

  std::string text() {
    front_matter();
    paragraph("# " + markdown_text(cell_title(view_, unicode_marks)));
    introduction();
    base();
    data();
    recipe();
    results();
    paragraph("## How to load it");
    text_ += loading_section(loading());
    limits();
    return sealed(text_, card_key(view_.cell, subject_));
  }

 private:
  const TaskRecord& trained() const { return stages_.back()->file.record; }

  /// The options in the tasks' ids; if two stages have one, the later one's.
  std::map<std::string, std::string> options() const {
    std::map<std::string, std::string> options;
    for (const TrainView* stage : stages_) {
      const nlohmann::json identity = stage->file.record.task.identity.json();
      const nlohmann::json read = identity.value("options", nlohmann::json::object());
      for (const auto& [key, value] : read.items())
        options[key] = value.is_string() ? value.get<std::string>() : value.dump();
    }
    return options;
  }

  Loading loading() const {
    Loading loading{subject_.kind, base_name(), !subject_.hub_name.empty(), view_.cell.name, subject_.rank};
    const std::map<std::string, std::string> read = options();
    if (const auto system = read.find("system"); system != read.end() && system->second != "none")
      loading.system = system->second;
    if (asked_) {
      loading.question = asked_->file.tables.prompts.front();
      const nlohmann::json asked = asked_->file.record.task.identity.json();
      const nlohmann::json tokens =
          asked.value("options", nlohmann::json::object()).value("max_answer_tokens", "");
      // It goes into lines of Python unchanged, and a file may say anything.
      uint64_t count = 0;
      if (tokens.is_string() && parse_integer(tokens.get<std::string>(), count))
        loading.tokens = tokens.get<std::string>();
    }
    return loading;
  }

  bool is_measured() const { return measure_ && measure_->when == "after"; }
  const char* thing() const { return subject_.kind == CardKind::adapter ? "adapter" : "model"; }
  std::string base_name() const {
    return subject_.hub_name.empty() ? short_name(view_.model) : subject_.hub_name;
  }

  void line(const std::string& text) { text_ += text + "\n"; }
  void paragraph(const std::string& text) { text_ += "\n" + text + "\n"; }
  void point(const std::string& text) { line("- " + text); }

  void front_matter() {
    line("---");
    if (!subject_.hub_name.empty()) {
      line("base_model: " + quoted_line(subject_.hub_name));
      line(std::string("base_model_relation: ") +
           (subject_.kind == CardKind::adapter ? "adapter" : "finetune"));
    }
    line(std::string("library_name: ") + (subject_.kind == CardKind::adapter ? "peft" : "transformers"));
    if (!subject_.license.empty()) line("license: " + quoted_line(subject_.license));
    line("pipeline_tag: text-generation");
    line("tags:");
    line("- apportion");
    if (subject_.kind != CardKind::weights) line("- lora");
    model_index();
    line("---");
  }

  SetView measured_set() const {
    return compare_subjects(view_.measure("before", measure_->test_set),
                            view_.measure("after", measure_->test_set));
  }

  /// Results as the hub reads them: means over subjects of the first test set, unrounded. Leaves out a mean
  /// over fewer than all subjects: it would flatter, and nobody sees how many there were.
  void model_index() {
    if (!is_measured()) return;
    std::string metrics;
    const std::vector<SubjectView> subjects = measured_set().subjects;
    auto all_have = [&](std::optional<double> SubjectView::*value) {
      return std::all_of(subjects.begin(), subjects.end(),
                         [&](const auto& s) { return (s.*value).has_value(); });
    };
    const bool exact = all_have(&SubjectView::error), sampled = all_have(&SubjectView::mae);
    for (const char* name : {"exact_error", "worst_exact_error", "mae"}) {
      const MeasuredMetric& metric = measured_metric(name);
      const std::optional<double> value = metric.of_set(measure_->metrics);
      const bool is_whole = std::string_view(name) == "mae" ? sampled : exact;
      if (!is_whole || !value || !std::isfinite(*value)) continue;
      metrics +=
          fmt::format("    - type: {}\n      name: {}\n      value: {}\n", name,
                      quoted_line(metric.of_subject ? metric.heading + std::string(", mean over subjects")
                                                    : metric.meaning),
                      yaml_number(*value));
    }
    if (metrics.empty()) return;
    text_ += fmt::format(
        "model-index:\n- name: {}\n  results:\n  - task:\n      type: text-generation\n    dataset:\n      "
        "name: {}\n"
        "      type: {}\n      split: {}\n    metrics:\n",
        quoted_line(view_.cell.name), quoted_line(view_.dataset), quoted_line(view_.dataset),
        quoted_line(measure_->test_set));
    text_ += metrics;
  }

  void introduction() {
    const std::string of_hub =
        subject_.hub_name.empty()
            ? markdown_text(base_name())
            : "[" + markdown_text(subject_.hub_name) + "](https://huggingface.co/" + subject_.hub_name + ")";
    const char* what = subject_.kind == CardKind::adapter   ? "A LoRA adapter that apportion trained for "
                       : subject_.kind == CardKind::weights ? "All weights as apportion trained them, from "
                                                            : "A model with a LoRA adapter of apportion's "
                                                              "added in: ";
    paragraph(what + of_hub + ". " + markdown_text(asked_of(view_)));
    if (is_measured()) {
      paragraph(markdown_text(outcome_of(view_)));
    } else if (is_last_) {
      paragraph("The result was not measured.");
    } else {
      paragraph("This is what " + markdown_text(view_.training.back().file.record.task.label) +
                " of the training starts from. It was not measured itself.");
    }
  }

  void base() {
    const nlohmann::json identity = trained().task.identity.json();
    TableView table{{{"base model", Align::left}, {"", Align::left}}, {}};
    auto add = [&](const char* name, const std::string& value) { table.rows.push_back({{name}, {value}}); };
    add("name", base_name());
    add("read from", short_name(view_.model));
    add("SHA-256 of weights, tokenizer and template", identity.value("model", not_known));
    add("licence", subject_.license.empty() ? "its files name none" : subject_.license);
    add(subject_.kind == CardKind::weights ? "SHA-256 of the trained weights" : "SHA-256 of the adapter",
        stages_.back()->file.adapter_digest);
    paragraph("## Base model");
    text_ += "\n" + markdown_table(table);
    if (subject_.hub_name.empty())
      paragraph(subject_.kind == CardKind::adapter
                    ? "Its file does not give its name on the hub, so this card and adapter_config.json have "
                      "none: load it by hand, or write the name in."
                    : "Its file does not give its name on the hub, so this card has none.");
    if (subject_.license.empty())
      paragraph("Look up what the base's licence asks of anyone who passes this " + std::string(thing()) +
                " on.");
  }

  void data() {
    TableView table{{{"data", Align::left}, {"", Align::left}}, {}};
    auto add = [&](const char* name, const std::string& value) { table.rows.push_back({{name}, {value}}); };
    add("dataset", view_.dataset);
    add("target", view_.target == "real" ? "the shares in its table" : view_.target);
    if (asked_) {
      add("subjects", std::to_string(asked_->file.result.subjects));
      add("categories", join(asked_->file.tables.categories, ", "));
    }
    add("SHA-256 of what was trained on", trained().task.identity.json().value("dataset", not_known));
    paragraph("## Data and target");
    text_ += "\n" + markdown_table(table);
  }

  void recipe() {
    const std::map<std::string, std::string> read = options();
    std::string job =
        fmt::format("dataset = {}\nmethod = {}\nmodel = {}\ntarget = {}\n", plain_line(view_.dataset),
                    plain_line(view_.method), plain_line(short_name(view_.model)), plain_line(view_.target));
    for (const Option* option : option_table()) {
      const auto found = read.find(option->key);
      if (found != read.end() && (found->second != option->default_value || option->key == "seed"))
        job += option->key + " = " + plain_line(found->second) + "\n";
    }
    paragraph("## Recipe");
    std::string stages;
    for (const TrainView* stage : stages_)
      stages += fmt::format("{}{}: {} steps", stages.empty() ? "" : ", ", stage->file.record.task.label,
                            stage->file.log.step.size());
    paragraph(
        fmt::format("Method {} ({}), computed in {}. The keys of its job file that training reads and that "
                    "are not at their defaults:",
                    markdown_text(view_.method), markdown_text(stages),
                    trained().task.identity.value("compute_type", not_known)));
    paragraph("```ini\n" + job + "```");
  }

  void results() {
    paragraph("## Results");
    if (!is_measured()) {
      paragraph("None.");
      return;
    }
    const SetView set = measured_set();
    text_ += "\n" + markdown_page({subjects_of_paper(view_, set, most_subjects)});
    paragraph("Means over subjects, of each test set before and after training:");
    if (const TableView means = means_table(view_); !means.rows.empty())
      text_ += "\n" + markdown_table(means);
    if (const TableView stories = stories_table(view_); !stories.rows.empty())
      text_ += "\n" + markdown_table(stories);
    paragraph(
        "Exact errors come from the model's own probabilities, free of the chance of rounds. apportion's "
        "docs/metrics.md says what the other words mean.");
    if (!view_.retention) return;
    const RetentionSummary summary = summary_of(view_.retention->result);
    TableView table = retention_table(summary);
    constexpr size_t totals = 2;  // unrelated prompts and near misses, above their kinds
    table.rows.resize(std::min(table.rows.size(), totals));
    text_ += "\n" + markdown_table(table);
    paragraph(markdown_text(retention_line(summary) + "."));
  }

  void limits() {
    paragraph("## Limits\n");
    if (is_measured()) {
      point(
          fmt::format("The test sets above were measured: {} subjects of this dataset, {} rounds each, with "
                      "one seed of training. Another seed, or training on another kind of machine, gives "
                      "other results, on top of the chance of the rounds.",
                      measure_->file.result.subjects, measure_->metrics.rounds));
    } else {
      point("Nothing was measured, so it is not known whether its answers follow the target.");
    }
    point(
        "Subjects, languages and ways to ask that are not in the dataset were not measured, and neither were "
        "chats of several turns or another system text.");
    if (is_measured())
      point(
          "Shares are for answers drawn at temperature 1 without top-k, top-p or penalties, from the base's "
          "weights as apportion reads them. Another way to draw changes them, and so does a base with other "
          "weights: the file that was read may be a quantized one of the model on the hub.");
    if (is_measured() && !view_.retention)
      point(
          "What training did to other questions was not measured: the model may answer them like the "
          "dataset's.");
    if (is_measured() && view_.retention)
      point(
          "What training did elsewhere was checked only with the prompts of apportion's docs/retention.md. "
          "No benchmark was run.");
    if (trained().task.identity.value("answers", "") == "steered")
      point(fmt::format(
          "Answers begin with a sign that stands for a category (steering = {}), as they were trained to.",
          markdown_text(options().at("steering"))));
  }

  const CellView& view_;
  const CardSubject& subject_;
  std::vector<const TrainView*> stages_;  // up to the subject's
  bool is_last_ = false;                  // no later stage trained on from it
  const MeasureView* asked_ = nullptr;    // what the whole training was meant to change; may be nullptr
  const MeasureView* measure_ = nullptr;  // the same if it measures this task
  std::string text_;
};

}  // namespace

std::string model_card(const CellView& view, const CardSubject& subject) {
  return ModelCard(view, subject).text();
}

std::string card_key(const Cell& cell, const CardSubject& subject) {
  Digest digest;
  // Each text goes in with its length, so that two different lists never look the same.
  auto add = [&](const std::string& text) { digest.add(std::to_string(text.size()) + ":" + text); };
  add(card_revision);
  add(version_info().program);
  for (const std::string& text :
       {cell.name, cell.about.dataset, cell.about.method, cell.about.model, cell.about.target, subject.task,
        subject.hub_name, subject.license, std::to_string(static_cast<int>(subject.kind)), cell.retention})
    add(text);
  for (const auto& tasks : {cell.training, cell.measures, cell.judged}) {
    for (const auto& [name, task] : tasks) add(name + " " + task);
  }
  return digest.hex();
}

std::optional<std::string> key_of_own_card(std::string_view text) {
  constexpr size_t key_size = 64;
  const size_t at = text.rfind(seal_begin);
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  const std::string key(text.substr(at).substr(seal_begin.size(), key_size));
  if (text != sealed(std::string(text.substr(0, at - 1)), key)) return std::nullopt;
  return key;
}

}  // namespace apportion
