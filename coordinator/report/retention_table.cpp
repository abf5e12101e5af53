#include "coordinator/report/retention_table.h"

#include <fmt/format.h>

#include "coordinator/report/table.h"

namespace apportion {

std::string render_retention(const Style& style, const RetentionResult& result) {
  const RetentionSummary summary = summary_of(result);
  Table table({{"what must not change", Align::left},
               {"prompts"},
               {"KL/token"},
               {"leak before"},
               {"after"},
               {"added"}});
  auto row = [&](const RetentionGroup& group, const std::string& name) {
    table.add_row({printable(style, name, 32), std::to_string(group.prompts), fmt::format("{:.4f}", group.kl),
                   fmt::format("{:.4f}", group.base_leak), fmt::format("{:.4f}", group.leak),
                   fmt::format("{:.4f}", group.added_leak)});
  };
  row(summary.unrelated, "unrelated prompts");
  row(summary.near, "near misses");
  for (const RetentionGroup& kind : summary.kinds) row(kind, "  " + kind.name);
  std::string text;
  if (!summary.verdict.empty())
    text += "  " +
            painted(style, Paint::red, "! this model is none to ask anything else: " + summary.verdict) +
            "\n";
  text += table.render(style, 2);
  text += fmt::format(
      "  plain text: perplexity {:.2f}, before {:.2f} ({:.3f} times); easy questions: mass {:.3f}, before "
      "{:.3f}\n",
      summary.perplexity, summary.base_perplexity, summary.perplexity / summary.base_perplexity, summary.mass,
      summary.base_mass);
  return text;
}

}  // namespace apportion
