#include "coordinator/report/html/dot_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "coordinator/report/view/table_view.h"
#include "shared/statistics/interval.h"

namespace apportion {
namespace {

constexpr double margin = 1.5;  // percent on each side, so that dots at 0 and 1 are not cut

std::string at(double share) { return percent(place_of(share)); }

std::string three(double value) { return fmt::format("{:.3f}", value); }

std::string three(const std::optional<double>& value) { return value ? three(*value) : "not known"; }

/// The line of a subject's category in words, for readers who cannot see it.
std::string words_of(const SetView& set, const SubjectView& subject, size_t j) {
  std::string words = subject.name + ", " + set.categories[j] + ": target ";
  words += subject.target.empty() ? "not known" : three(subject.target[j]);
  words += ", before " + three(subject.best_share_before(j));
  if (set.is_trained) words += ", after " + three(subject.best_share(j));
  const std::vector<double>& sampled = set.sampled(subject);
  if (!sampled.empty()) {
    const Interval interval = share_interval(sampled[j], subject.parsed);
    words += fmt::format(", of the rounds {:.3f} (95% from {:.3f} to {:.3f})", sampled[j], interval.low,
                         interval.high);
  }
  return words;
}

void write_line(Markup& out, const char* kind, double from, double to) {
  out.empty("line", {{"class", kind}, {"x1", at(from)}, {"x2", at(to)}, {"y1", "11"}, {"y2", "11"}});
}

void write_dot(Markup& out, const char* kind, double share, const char* radius) {
  out.empty("circle", {{"class", kind}, {"cx", at(share)}, {"cy", "11"}, {"r", radius}});
}

void write_marks(Markup& out, const SetView& set, const SubjectView& subject, size_t j) {
  if (!subject.target.empty() && subject.floor) {
    const double low = std::max(0.0, subject.target[j] - *subject.floor),
                 high = std::min(1.0, subject.target[j] + *subject.floor);
    out.empty("rect", {{"class", "band"},
                       {"x", at(low)},
                       {"width", percent(place_of(high) - place_of(low))},
                       {"y", "2"},
                       {"height", "18"}});
  }
  const std::vector<double>& sampled = set.sampled(subject);
  if (!sampled.empty()) {
    const Interval interval = share_interval(sampled[j], subject.parsed);
    write_line(out, "interval", interval.low, interval.high);
  }
  if (!subject.target.empty()) {
    const std::string x = at(subject.target[j]);
    out.empty("line", {{"class", "target"}, {"x1", x}, {"x2", x}, {"y1", "1"}, {"y2", "21"}});
  }
  if (const std::optional<double> before = subject.best_share_before(j))
    write_dot(out, "before", *before, "5");
  if (!set.is_trained) return;
  if (!subject.exact.empty() && subject.exact[j].width() > tight_bounds)
    write_line(out, "bounds", subject.exact[j].low, subject.exact[j].high);
  if (const std::optional<double> after = subject.best_share(j)) write_dot(out, "after", *after, "5");
}

void write_row(Markup& out, const SetView& set, const SubjectView& subject, size_t j, bool is_first) {
  const bool pair = set.categories.size() == 2;
  out.open("div", {{"class", is_first ? "row first" : "row"}});
  out.open("div", {{"class", "label"}});
  if (is_first) out.open("span", {{"class", "subject"}}).name(subject.name).close();
  if (!pair) out.open("span", {{"class", "category"}}).name(set.categories[j]).close();
  out.close();
  out.open("svg",
           {{"class", "dots"}, {"height", "22"}, {"role", "img"}, {"aria-label", words_of(set, subject, j)}});
  for (const double tick : {0.0, 0.25, 0.5, 0.75, 1.0})
    out.empty("line", {{"class", "grid"}, {"x1", at(tick)}, {"x2", at(tick)}, {"y1", "0"}, {"y2", "22"}});
  write_marks(out, set, subject, j);
  out.close();
  out.open("div", {{"class", "value"}});
  if (is_first) {
    const char* closeness[] = {"", "good", "fair", "poor"};
    out.element("span", {{"class", closeness[static_cast<size_t>(subject.closeness)]}},
                subject.error ? three(*subject.error)
                : subject.mae ? "~" + three(*subject.mae)
                              : not_known);
  }
  out.close().close();
}

void write_key(Markup& out, const char* kind, const char* words) {
  out.open("span", {{"class", "key"}});
  out.open("svg", {{"width", "26"}, {"height", "22"}, {"aria-hidden", "true"}});
  const std::string shape = kind;
  if (shape == "band") {
    out.empty("rect", {{"class", kind}, {"x", "2"}, {"y", "2"}, {"width", "22"}, {"height", "18"}});
  } else if (shape == "target") {
    out.empty("line", {{"class", kind}, {"x1", "13"}, {"x2", "13"}, {"y1", "1"}, {"y2", "21"}});
  } else if (shape == "interval") {
    out.empty("line", {{"class", kind}, {"x1", "2"}, {"x2", "24"}, {"y1", "11"}, {"y2", "11"}});
  } else {
    out.empty("circle", {{"class", kind}, {"cx", "13"}, {"cy", "11"}, {"r", "5"}});
  }
  out.close().text(words).close();
}

void write_axis(Markup& out, const std::string& label) {
  out.open("div", {{"class", "row axis"}, {"aria-hidden", "true"}});
  out.open("div", {{"class", "label"}}).name(label).close();
  out.open("div", {{"class", "ticks"}});
  for (const double tick : {0.0, 0.25, 0.5, 0.75, 1.0})
    out.element("span", {{"style", "left:" + at(tick)}}, fmt::format("{:g}", tick));
  out.close();
  out.element("div", {{"class", "value"}}, "error").close();
}

/// Furthest off first, or in their own order if all are shown.
std::vector<size_t> chosen(const SetView& set, size_t most) {
  std::vector<size_t> order(set.subjects.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (order.size() <= most) return order;
  auto error = [&](size_t s) {
    const SubjectView& subject = set.subjects[s];
    return subject.error.value_or(subject.mae.value_or(-1));
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return error(a) > error(b); });
  order.resize(most);
  return order;
}

/// How many subjects have no share before or after.
size_t without_share(const SetView& set, const std::vector<size_t>& shown) {
  return static_cast<size_t>(std::count_if(shown.begin(), shown.end(), [&](size_t s) {
    const SubjectView& subject = set.subjects[s];
    return !subject.best_share_before(0) && !(set.is_trained && subject.best_share(0));
  }));
}

}  // namespace

double place_of(double share) { return margin + (100 - 2 * margin) * share; }

void write_dot_plot(Markup& out, const SetView& set, size_t most) {
  const bool pair = set.categories.size() == 2;
  const std::vector<size_t> shown = chosen(set, most);
  out.open("figure", {{"class", "plot"}});
  out.open("figcaption").text("Shares on ").name(set.test_set).text(", against their targets");
  if (shown.size() < set.subjects.size())
    out.text(
        fmt::format(": the {} subjects that are furthest off, of {}", shown.size(), set.subjects.size()));
  out.close();
  if (const size_t silent = without_share(set, shown); silent > 0) {
    out.open("p", {{"class", "soft"}})
        .text(fmt::format("{} of these subjects {} no dot: too few of the rounds name a category, and too "
                          "much of the probability is unexplored.",
                          silent, silent == 1 ? "has" : "have"))
        .close();
  }
  out.open("div", {{"class", "keys"}});
  write_key(out, "target", "target");
  write_key(out, "band", "a perfect sampler's mean distance");
  write_key(out, "before", "before training");
  if (set.is_trained) write_key(out, "after", "after training");
  write_key(out, "interval", "95% interval of the rounds");
  out.close();
  write_axis(out, pair ? "share of " + set.categories[0] : "share");
  for (const size_t s : shown) {
    for (size_t j = 0; j < (pair ? 1 : set.categories.size()); ++j)
      write_row(out, set, set.subjects[s], j, j == 0);
  }
  out.close();
}

}  // namespace apportion
