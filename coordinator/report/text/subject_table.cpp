#include "coordinator/report/text/subject_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "coordinator/report/table.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {
namespace {

constexpr int bar_width = 8, page = 112;
constexpr size_t most_listed = 5;

Paint paint_of(Closeness closeness) {
  switch (closeness) {
    case Closeness::unknown:
      return Paint::plain;
    case Closeness::good:
      return Paint::green;
    case Closeness::fair:
      return Paint::yellow;
    case Closeness::poor:
      return Paint::red;
  }
  return Paint::plain;
}

std::string bar_cell(const Style& style, double share, Paint paint) {
  return painted(style, paint, bar(style, share, bar_width)) + " " + decimals(share);
}

std::string share_cell(const Style& style, const std::vector<double>& shares, Paint paint) {
  if (shares.empty()) return right(not_known, bar_width + 6);
  return bar_cell(style, shares[0], paint);
}

std::string exact_cell(const SubjectView& subject) {
  if (subject.exact.empty()) return not_known;
  const ShareBounds bounds = subject.exact[0];
  if (bounds.width() <= tight_bounds) return decimals(bounds.middle());
  return "[" + decimals(bounds.low) + ", " + decimals(bounds.high) + "]";
}

std::string spark_cell(const Style& style, const std::vector<double>& shares, Paint paint) {
  if (shares.empty()) return not_known;
  return painted(style, paint, spark(style, shares));
}

// Every category's share: the exact one if known, with half the width of its bounds, else the sampled one.
std::string list_cell(const Style& style, const SubjectView& subject, const std::vector<double>& sampled) {
  const bool exact = !subject.exact.empty();
  if (!exact && sampled.empty()) return not_known;
  const size_t categories = exact ? subject.exact.size() : sampled.size();
  std::string text;
  double width = 0;
  for (size_t j = 0; j < categories; ++j) {
    if (exact) width = std::max(width, subject.exact[j].width());
    const double share = exact ? subject.exact[j].middle() : sampled[j];
    if (j < most_listed) text += (j > 0 ? " " : exact ? "" : "~") + decimals(share);
  }
  if (categories > most_listed) text += " ..";
  const char* sign = style.charset == Charset::unicode ? " ±" : " +-";
  return exact && width > tight_bounds ? text + sign + decimals(width / 2).substr(1) : text;
}

// The category's number instead of its name if there are many.
std::string worst_cell(const Style& style, const SubjectView& subject,
                       const std::vector<std::string>& categories) {
  if (!subject.worst) return not_known;
  const size_t worst = subject.worst->category;
  const std::string name =
      categories.size() > 3 ? std::to_string(worst) : printable(style, categories[worst], 12);
  return name + fmt::format(" {:+.3f}", subject.worst->difference);
}

// The columns that end both forms of the table.
void add_errors(std::vector<std::string>& row, const SubjectView& subject) {
  row.push_back(decimals(subject.error));
  row.push_back(decimals(subject.mae));
  row.push_back(decimals(subject.floor));
  row.push_back(decimals(subject.coverage));
}

std::string render_pairs(const Style& style, const SetView& set) {
  Table table(
      {{printable(style, set.categories[0], 16) + ", " + printable(style, set.test_set, 8), Align::left},
       {"target", Align::left},
       {"before", Align::left},
       {"after", Align::left},
       {"exact"},
       {"error"},
       {"MAE"},
       {"floor"},
       {"coverage"}});
  for (const SubjectView& subject : set.subjects) {
    std::vector<std::string> row = {
        printable(style, subject.name, 26),
        subject.target.empty() ? not_known : bar_cell(style, subject.target[0], Paint::cyan),
        share_cell(style, subject.before, Paint::dim),
        share_cell(style, subject.after, paint_of(subject.closeness)), exact_cell(subject)};
    add_errors(row, subject);
    table.add_row(std::move(row));
  }
  return table.render(style, 2);
}

// "categories: 0 White, 1 Asian", on as many lines as it takes.
std::string render_names(const Style& style, const std::vector<std::string>& categories) {
  std::string text, line = "  categories:";
  for (size_t j = 0; j < categories.size(); ++j) {
    std::string name = fmt::format(" {} {}", j, printable(style, categories[j], 44));
    if (columns_of(line + name) > page) {
      text += painted(style, Paint::dim, line) + "\n";
      line = "             ";
    }
    line += name + (j + 1 < categories.size() ? "," : "");
  }
  return text + painted(style, Paint::dim, line) + "\n";
}

std::string render_lists(const Style& style, const SetView& set) {
  const int name_width = set.categories.size() > 3 ? 19 : 26;
  Table table({{printable(style, set.test_set, 12), Align::left},
               {"target", Align::left},
               {"before", Align::left},
               {"after", Align::left},
               {"exact (~ sampled)", Align::left},
               {"worst"},
               {"error"},
               {"MAE"},
               {"floor"},
               {"cover"}});
  for (const SubjectView& subject : set.subjects) {
    std::vector<std::string> row = {printable(style, subject.name, name_width),
                                    spark_cell(style, subject.target, Paint::cyan),
                                    spark_cell(style, subject.before, Paint::dim),
                                    spark_cell(style, subject.after, paint_of(subject.closeness)),
                                    list_cell(style, subject, set.sampled(subject)),
                                    worst_cell(style, subject, set.categories)};
    add_errors(row, subject);
    table.add_row(std::move(row));
  }
  return render_names(style, set.categories) + table.render(style, 2);
}

}  // namespace

std::string decimals(double value) { return std::isfinite(value) ? fmt::format("{:.3f}", value) : not_known; }

std::string decimals(const std::optional<double>& value) { return value ? decimals(*value) : not_known; }

std::string render_subjects(const Style& style, const SetView& set) {
  return set.categories.size() == 2 ? render_pairs(style, set) : render_lists(style, set);
}

}  // namespace apportion
