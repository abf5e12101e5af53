#include "shared/measure/metric_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr const char* too_unexplored =
    "more than 0.5 of the probability is unexplored: the bounds are too wide to say anything";
constexpr const char* too_unparsed = "more than half of the rounds have no category";

double or_nan(const std::optional<double>& value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

std::vector<MeasuredMetric> make_sampled() {
  return {
      {{"observed", "sampled share", "share of the rounds that have a category", "share", 3, too_unparsed},
       MetricExtent::all,
       false,
       nullptr,
       [](const SubjectMetrics& s) -> const std::vector<double>& { return s.observed; }},
      {{"observed_low", "sampled share, at least",
        "lower end of the 95% interval of the share that the rounds were drawn with (Wilson's)", "share", 3,
        too_unparsed},
       MetricExtent::all,
       false,
       nullptr,
       [](const SubjectMetrics& s) -> const std::vector<double>& { return s.observed_low; }},
      {{"observed_high", "sampled share, at most", "its upper end", "share", 3, too_unparsed},
       MetricExtent::all,
       false,
       nullptr,
       [](const SubjectMetrics& s) -> const std::vector<double>& { return s.observed_high; }},
      {{"mae", "MAE", "mean over categories of |sampled share - target|", "share", 3, too_unparsed},
       MetricExtent::all,
       true,
       [](const SubjectMetrics& s) { return or_nan(s.mae); },
       nullptr,
       [](const DatasetMetrics& m) { return m.mae; },
       [](const DatasetMetrics& m) { return m.subjects_with_mae; }},
      {{"mae_deviation", "deviation of MAE", "standard deviation of the subjects' MAE", "share", 3,
        "fewer than two subjects have an MAE"},
       MetricExtent::all,
       false,
       nullptr,
       nullptr,
       [](const DatasetMetrics& m) { return m.mae_deviation; }},
      {{"floor", "floor", "the MAE that a perfect sampler is expected to have with as many rounds", "share",
        3, "no target is known, or nothing was asked"},
       MetricExtent::all,
       true,
       [](const SubjectMetrics& s) { return or_nan(s.floor); },
       nullptr,
       [](const DatasetMetrics& m) { return m.floor; }}};
}

std::vector<MeasuredMetric> make_exact() {
  return {
      {{"exact_low", "exact, at least", "explored probability of the category, without sampling noise",
        "share", 3, too_unexplored},
       MetricExtent::all,
       false,
       nullptr,
       [](const SubjectMetrics& s) -> const std::vector<double>& { return s.exact_low; }},
      {{"exact_high", "exact, at most", "the same with all that is unexplored", "share", 3, too_unexplored},
       MetricExtent::all,
       false,
       nullptr,
       [](const SubjectMetrics& s) -> const std::vector<double>& { return s.exact_high; }},
      {{"exact_error", "exact error",
        "mean over categories of |exact share - target| at the worse end of the bounds, wordings together",
        "share", 3, too_unexplored},
       MetricExtent::all,
       true,
       [](const SubjectMetrics& s) { return or_nan(s.exact_error); },
       nullptr,
       [](const DatasetMetrics& m) { return m.exact_error; },
       [](const DatasetMetrics& m) { return m.subjects_with_exact; }},
      {{"worst_exact_error", "worst", "the largest exact error of a subject", "share", 3,
        "no subject has an exact error"},
       MetricExtent::all,
       false,
       nullptr,
       nullptr,
       [](const DatasetMetrics& m) {
         return m.subjects_with_exact > 0 ? std::optional(m.worst_exact_error) : std::nullopt;
       }},
      {{"exact_error_per_wording", "one wording", "the exact error of each wording alone, averaged", "share",
        3, too_unexplored},
       MetricExtent::all,
       true,
       [](const SubjectMetrics& s) { return or_nan(s.exact_error_per_wording); },
       nullptr,
       [](const DatasetMetrics& m) { return m.exact_error_per_wording; }},
      {{"expected_mae", "expected", "the MAE that this model is expected to have, from its exact shares",
        "share", 3, too_unexplored},
       MetricExtent::all,
       true,
       [](const SubjectMetrics& s) { return or_nan(s.expected_mae); },
       nullptr,
       [](const DatasetMetrics& m) { return m.expected_mae; }}};
}

std::optional<double> low(const std::optional<Interval>& interval) {
  return interval ? std::optional(interval->low) : std::nullopt;
}

std::optional<double> high(const std::optional<Interval>& interval) {
  return interval ? std::optional(interval->high) : std::nullopt;
}

/// A metric of the test set as a whole.
MeasuredMetric whole(const MetricDescription& description,
                     std::optional<double> (*of_set)(const DatasetMetrics&)) {
  return {description, MetricExtent::all, false, nullptr, nullptr, of_set};
}

/// What is left to chance; the page says what an interval leaves out.
std::vector<MeasuredMetric> make_chances() {
  constexpr const char* too_few =
      "fewer than six subjects have one: an interval from so few covers less than it says";
  return {whole({"exact_error_low", "exact error, from",
                 "lower end of the 95% interval of the mean exact error of subjects like these (Hall's)",
                 "share", 3, too_few},
                [](const DatasetMetrics& m) { return low(m.exact_error_interval); }),
          whole({"exact_error_high", "to", "its upper end", "share", 3, too_few},
                [](const DatasetMetrics& m) { return high(m.exact_error_interval); }),
          whole({"mae_low", "MAE, from",
                 "lower end of the 95% interval of the mean MAE of subjects like these, with as many rounds "
                 "(Hall's)",
                 "share", 3, too_few},
                [](const DatasetMetrics& m) { return low(m.mae_interval); }),
          whole({"mae_high", "to", "its upper end", "share", 3, too_few},
                [](const DatasetMetrics& m) { return high(m.mae_interval); }),
          whole({"detectable", "detectable",
                 "the smallest MAE that tells a model from a perfect sampler, which exceeds it in about 5 of "
                 "100 measurements with as many rounds",
                 "share", 3, "no target is known, or there are no rounds"},
                [](const DatasetMetrics& m) { return m.detectable; }),
          {{"p_value", "p",
            "probability that draws from the target are less probable than these rounds, plus half the "
            "probability of equally probable ones (multinomial test, mid-p)",
            "", 3, "more than half of the rounds have no category, or no target is known"},
           MetricExtent::all,
           false,
           [](const SubjectMetrics& s) { return or_nan(s.p_value); }},
          whole({"tested", "tested", "subjects that have a p", "", 0, ""},
                [](const DatasetMetrics& m) { return std::optional<double>(m.tested); }),
          whole({"passes", "pass", "subjects whose p is at least 0.05", "", 0, ""},
                [](const DatasetMetrics& m) { return std::optional<double>(m.passes); }),
          whole({"passes_of_perfect", "of a perfect sampler",
                 "in 97.5 of 100 measurements, at least this many of a perfect sampler's subjects pass", "",
                 0, ""},
                [](const DatasetMetrics& m) { return std::optional<double>(m.passes_of_perfect); })};
}

std::vector<MeasuredMetric> make_others() {
  return {
      {{"kl", "KL", "KL(target, share), natural logarithm, from the exact shares, else the rounds", "nats", 3,
        "no share is known, or one that is asked for is 0"},
       MetricExtent::all,
       true,
       [](const SubjectMetrics& s) { return or_nan(s.kl); },
       nullptr,
       [](const DatasetMetrics& m) { return m.kl; }},
      {{"coverage", "coverage", "probability of the steering tokens, or paths, together", "share", 3, ""},
       MetricExtent::all,
       true,
       [](const SubjectMetrics& s) { return s.coverage; },
       nullptr,
       [](const DatasetMetrics& m) { return std::optional(m.coverage); }},
      {{"agreement", "agree",
        "share of the rounds beginning with a steering token whose text says its category", "share", 3,
        "no answer begins with one"},
       MetricExtent::all,
       false,
       nullptr,
       nullptr,
       [](const DatasetMetrics& m) { return m.agreement; }},
      {{"correlation", "correlation", "correlation of subjects' exact shares with their targets (Pearson's)",
        "", 3, "fewer than three subjects have both, or all are equal"},
       MetricExtent::all,
       false,
       nullptr,
       nullptr,
       [](const DatasetMetrics& m) { return m.correlation; }},
      {{"unexplored", "unexplored", "probability of answers that were not followed to their end", "share", 3,
        ""},
       MetricExtent::all,
       false,
       [](const SubjectMetrics& s) { return s.unexplored; },
       nullptr,
       [](const DatasetMetrics& m) { return std::optional(m.unexplored); }},
      {{"unparsed_share", "unparsed", "share of all rounds without a category, including cut ones", "share",
        3, ""},
       MetricExtent::all,
       true,
       [](const SubjectMetrics& s) { return s.unparsed_share; },
       nullptr,
       [](const DatasetMetrics& m) { return std::optional(m.unparsed_share); }},
      {{"no_story_share", "no story", "share of all rounds that are not stories; part of unparsed", "share",
        3, ""},
       MetricExtent::stories,
       true,
       [](const SubjectMetrics& s) { return s.no_story_share; },
       nullptr,
       [](const DatasetMetrics& m) { return std::optional(m.no_story_share); }},
      {{"failed_share", "failed", "share of all rounds whose judgement failed; part of unparsed", "share", 3,
        ""},
       MetricExtent::judged,
       false,
       nullptr,
       nullptr,
       [](const DatasetMetrics& m) { return std::optional(m.failed_share); }}};
}

template <typename Metric>
const Metric& named(const std::vector<Metric>& metrics, std::string_view name) {
  const auto found =
      std::find_if(metrics.begin(), metrics.end(), [&](const Metric& metric) { return name == metric.name; });
  ensure(found != metrics.end(), "a metric is one of the table's");
  return *found;
}

template <typename Metric>
std::string format_section(const char* title, const std::vector<Metric>& metrics) {
  std::string page = fmt::format(
      "\n## {}\n\n| name | heading | meaning | unit | decimals | `-` when |\n|---|---|---|---|---|---|\n",
      title);
  for (const Metric& metric : metrics) {
    std::string meaning;
    for (const char c : std::string_view(metric.meaning)) {
      if (c == '|') meaning += '\\';
      meaning += c;
    }
    page += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", metric.name, metric.heading, meaning,
                        metric.unit, metric.decimals, metric.hidden);
  }
  return page;
}

}  // namespace

const std::vector<MeasuredMetric>& measured_metrics() {
  static const std::vector<MeasuredMetric> metrics = [] {
    std::vector<MeasuredMetric> all = make_sampled();
    for (const MeasuredMetric& metric : make_exact()) all.push_back(metric);
    for (const MeasuredMetric& metric : make_chances()) all.push_back(metric);
    for (const MeasuredMetric& metric : make_others()) all.push_back(metric);
    return all;
  }();
  return metrics;
}

const std::vector<TrainingMetric>& training_metrics() {
  constexpr const char* other_stage = "the stage has no such term";
  static const std::vector<TrainingMetric> metrics = {
      {{"step", "steps", "number of the step", "", 0, ""}},
      {{"loss", "loss", "the whole loss", "", 3, ""}},
      {{"kl", "KL", "KL of the target from the categories' probabilities", "nats", 3, other_stage}, 0},
      {{"kto", "KTO", "the KTO term", "", 3, other_stage}, 0},
      {{"retain", "retain", "mean KL from the untouched model on the step's replay prompts", "nats", 3, ""},
       0},
      {{"z", "z used", "KTO's reference point: z, or 0 where that is below 0", "nats", 3, other_stage}},
      {{"z_unclamped", "z", "KTO's reference point before it is cut at 0", "nats", 3, other_stage}, 0},
      {{"coverage", "coverage", "sum of the categories' probabilities", "share", 3, other_stage}, 1},
      {{"grad_norm", "gradient", "norm of the gradient before clipping", "", 3, ""}},
      {{"lr", "rate", "learning rate", "", 6, ""}},
      {{"tokens", "tokens", "distinct tokens of the step", "tokens", 0, ""}},
      {{"seconds", "seconds", "the step's time", "s", 2, ""}}};
  return metrics;
}

const std::vector<RetentionMetric>& retention_metrics() {
  constexpr const char* no_prompts = "no such prompt was asked";
  static const std::vector<RetentionMetric> metrics = {
      {{"prompts", "prompts", "keep prompts of the kind", "", 0, ""},
       [](const RetentionGroup& group) { return static_cast<double>(group.prompts); }},
      {{"kl_per_token", "KL/token", "KL(untouched, trained) per token of the untouched model's own answers",
        "nats", 4, no_prompts},
       [](const RetentionGroup& group) { return group.kl; }},
      {{"base_leak", "leak before",
        "probability that the untouched model's answer begins with a steering token or is one of the "
        "dataset's",
        "share", 4, no_prompts},
       [](const RetentionGroup& group) { return group.base_leak; }},
      {{"leak", "leak after", "the same of the trained model", "share", 4, no_prompts},
       [](const RetentionGroup& group) { return group.leak; }},
      {{"added_leak", "leak added", "mean rise of a prompt's leak over that before", "share", 4, no_prompts},
       [](const RetentionGroup& group) { return group.added_leak; }},
      {{"base_perplexity", "perplexity before", "perplexity of a plain text under the untouched model", "", 2,
        ""},
       nullptr,
       [](const RetentionSummary& summary) { return summary.base_perplexity; }},
      {{"perplexity", "perplexity after", "perplexity of the same text under the trained model", "", 2, ""},
       nullptr,
       [](const RetentionSummary& summary) { return summary.perplexity; }},
      {{"perplexity_ratio", "perplexity", "perplexity of a plain text as a multiple of that before", "times",
        3, "no text was read", " x"},
       nullptr,
       [](const RetentionSummary& summary) { return summary.perplexity / summary.base_perplexity; }},
      {{"base_easy_mass", "easy before",
        "share of the untouched model's rounds that answer an easy question correctly", "share", 3, ""},
       nullptr,
       [](const RetentionSummary& summary) { return summary.base_mass; }},
      {{"easy_mass", "easy after", "the same of the trained model", "share", 3, ""},
       nullptr,
       [](const RetentionSummary& summary) { return summary.mass; }}};
  return metrics;
}

const MeasuredMetric& measured_metric(std::string_view name) { return named(measured_metrics(), name); }
const TrainingMetric& training_metric(std::string_view name) { return named(training_metrics(), name); }
const RetentionMetric& retention_metric(std::string_view name) { return named(retention_metrics(), name); }

std::string metric_text(const MetricDescription& metric, double value) {
  return std::isfinite(value) ? fmt::format("{:.{}f}{}", value, metric.decimals, metric.suffix) : "-";
}

std::string metric_text(const MetricDescription& metric, const std::optional<double>& value) {
  return value ? metric_text(metric, *value) : "-";
}

std::string format_metrics_page() {
  std::string page =
      "# Metrics\n\n"
      "Generated by `apportion --dump-metrics-markdown` from the table of metrics; do not edit.\n\n"
      "`name` is the one in result files (`/metrics/NAME`, `/log/NAME`) and in `apportion report --json`. "
      "Tables and the\n"
      "page round to `decimals`; files, JSON and CSV have all digits. What `apportion report` and the page "
      "say of these:\n"
      "[reading-results.md](reading-results.md).\n";
  page += format_section("Of a measured test set", measured_metrics());
  page += format_section("Of a training step", training_metrics());
  return page + format_section("Of what must not change", retention_metrics());
}

}  // namespace apportion
