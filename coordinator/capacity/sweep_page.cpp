#include "coordinator/capacity/sweep_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "coordinator/report/table.h"
#include "shared/base/clock.h"
#include "shared/base/memory_limits.h"
#include "shared/base/utf8.h"

namespace apportion {
namespace {

bool is_measured(const SweepForecast& forecast) {
  return std::any_of(forecast.sorts.begin(), forecast.sorts.end(),
                     [](const TaskSort& sort) { return sort.measured > 0; });
}

/// The unit of the figures: measured ones are in hours of a member's ranks, others in the machine's.
std::string hours_name(const SweepForecast& forecast) {
  if (is_measured(forecast)) return "rank-hours";
  return forecast.machine.machine.is_cpu ? "core-hours" : "GPU-hours";
}

std::string plural(size_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// Shows "-" for 0: judges of stories have no cost of their own here.
std::string figure_or_dash(double value, const char* format) {
  return value > 0 ? fmt::format(fmt::runtime(format), value) : "-";
}

std::string sorts_table(const SweepForecast& forecast, const Style& style) {
  Table table({{"task", Align::left},
               {"tasks"},
               {"done"},
               {"left"},
               {"s/task"},
               {hours_name(forecast) + " left"},
               {"", Align::left}});
  for (const TaskSort& sort : forecast.sorts) {
    const size_t left = sort.tasks - sort.done;
    const double seconds = left > 0            ? sort.left_s / static_cast<double>(left)
                           : sort.measured > 0 ? sort.measured_s / static_cast<double>(sort.measured)
                                               : 0;
    table.add_row({printable(style, sort.label), std::to_string(sort.tasks), std::to_string(sort.done),
                   std::to_string(left), figure_or_dash(seconds, "{:.3g}"),
                   figure_or_dash(sort.left_s / hour_s, "{:.3g}"),
                   sort.measured > 0 ? fmt::format("as {} here took", plural(sort.measured, "task")) : ""});
  }
  return table.render(style, 2);
}

std::string memory_line(const SweepForecast& forecast) {
  const double has = forecast.machine.machine.memory_bytes;
  std::string cell;
  if (!forecast.neediest.empty()) cell = fmt::format(" (cell {})", forecast.neediest);
  return fmt::format("  memory: up to {:.3g} GiB a rank{}; one of {} has {:.3g}{}\n",
                     forecast.needed_bytes / gibi, cell, forecast.machine.machine.name, has / gibi,
                     forecast.fits ? "" : ": it does not fit on this many ranks (--ranks N sets a member's)");
}

}  // namespace

std::string sweep_page(const SweepForecast& forecast, const Style& style) {
  std::string text = fmt::format("{}: {}, {}", printable(style, forecast.job), plural(forecast.cells, "cell"),
                                 plural(forecast.tasks, "task"));
  if (forecast.unshared > forecast.tasks)
    text += fmt::format(" ({} if run as separate jobs)", forecast.unshared);
  text += fmt::format("; done in {}: {}, {}\n\n", printable(style, forecast.directory),
                      plural(forecast.finished_cells, "cell"), plural(forecast.done, "task"));
  text += sorts_table(forecast, style) + "\n";
  text += fmt::format(
      "  left: {:.3g} {}; tasks wait for each other, so at least {:.3g} hours with any number of members\n",
      forecast.left_s / hour_s, hours_name(forecast), forecast.longest_s / hour_s);
  text += memory_line(forecast);
  const Machine& machine = forecast.machine.machine;
  text += fmt::format("  seconds{}: the cost model's for {}{}\n",
                      is_measured(forecast) ? " not measured here" : "", machine.name,
                      machine.is_cpu ? ", one core" : "; on CPUs use --plan_machine cpu");
  text += fmt::format("  ({})\n", printable(style, forecast.machine.coefficients.source));
  text += "  Measuring counts the most that it may ask; similar answers take less. Judges are not counted.\n";
  return text;
}

std::string sweep_json(const SweepForecast& forecast) {
  nlohmann::ordered_json json = {{"job", forecast.job},
                                 {"directory", forecast.directory},
                                 {"cells", forecast.cells},
                                 {"finished_cells", forecast.finished_cells},
                                 {"tasks", forecast.tasks},
                                 {"unshared_tasks", forecast.unshared},
                                 {"done", forecast.done},
                                 {"ranks", forecast.ranks},
                                 {"rank_seconds_left", forecast.left_s},
                                 {"longest_seconds", forecast.longest_s},
                                 {"needed_bytes", forecast.needed_bytes},
                                 {"neediest_cell", forecast.neediest},
                                 {"fits", forecast.fits},
                                 {"machine", forecast.machine.machine.name},
                                 {"coefficients", forecast.machine.coefficients.source},
                                 {"sorts", nlohmann::ordered_json::array()}};
  for (const TaskSort& sort : forecast.sorts) {
    json["sorts"].push_back({{"label", sort.label},
                             {"tasks", sort.tasks},
                             {"done", sort.done},
                             {"measured", sort.measured},
                             {"measured_rank_seconds", sort.measured_s},
                             {"modelled_rank_seconds", sort.modelled_s},
                             {"rank_seconds_left", sort.left_s}});
  }
  return json_text(json, 2) + "\n";
}

}  // namespace apportion
