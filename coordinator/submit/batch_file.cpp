#include "coordinator/submit/batch_file.h"

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <string_view>

#include "coordinator/restarts.h"
#include "shared/base/error.h"
#include "shared/config/command/shell_text.h"
#include "shared/config/option.h"
#include "shared/link/interrupt.h"

namespace apportion {

namespace {

/// Two periods by which Slurm's signal may be early or late, and one to work in.
constexpr double times_of_grace = 3;

/// Signals for the launcher's process, and what its exit code means. Relies only on signals and exit codes
/// that the program promises (docs/slurm.md).
constexpr const char* shell_part = R"(
# Slurm's signal before the time limit (or when the job has to make way) goes on to the ranks, once: they agree on a
# step, save their state and end with {requeue}.
launcher= asked= interrupted=
stop() {{
  interrupted=yes
  if [ -n "$asked" ]; then return; fi
  asked=yes
  if [ -n "$launcher" ]; then kill -USR1 "$launcher" 2>/dev/null; fi
}}
trap stop USR1 TERM

{command} &
launcher=$!
if [ -n "$asked" ]; then kill -USR1 "$launcher" 2>/dev/null; fi
code=127
while :; do  # a signal ends wait, too
  wait "$launcher"
  ended=$?
  if [ "$ended" != 127 ]; then code=$ended; fi
  if [ -z "$interrupted" ]; then break; fi
  interrupted=
done

# A launcher that died of the signal, because its ranks were not there yet, is started again, too. {stuck} (two
# restarts without a new step or task) and all other codes end the job.
if [ "$code" = {requeue} ] || {{ [ -n "$asked" ] && [ "$code" -ge 128 ]; }}; then
  echo "apportion: requeues $member"
  scontrol requeue "$member"
fi
exit "$code"
)";

void check_text(const std::string& what, const std::string& text) {
  if (text.find_first_of("\n\r") != std::string::npos)
    throw UserError(
        fmt::format("{} '{}' has a line break, which a batch file cannot hold", what, printable(text)));
}

/// A value in an #SBATCH line: Slurm removes quotes, and takes '%' and what follows it in a file name for a
/// pattern.
std::string sbatch_path(const std::string& path, const std::string& pattern) {
  std::string text = "\"";
  for (char c : path) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
    if (c == '%') text += '%';
  }
  return text + pattern + "\"";
}

/// A value for the shell, which fills in $NAME and ${NAME} but runs nothing.
std::string shell_value(const std::string& text) {
  std::string word = "\"";
  for (size_t at = 0; at < text.size(); ++at) {
    const char next = at + 1 < text.size() ? text[at + 1] : ' ';
    const bool begins_name =
        std::isalpha(static_cast<unsigned char>(next)) != 0 || next == '_' || next == '{';
    const bool is_special = std::string_view("\"\\`").find(text[at]) != std::string_view::npos;
    if (is_special || (text[at] == '$' && !begins_name)) word += '\\';
    word += text[at];
  }
  return word + "\"";
}

std::string options(const BatchRequest& request, const Site& site, int ranks) {
  std::string text;
  auto add = [&](const std::string& option) { text += "#SBATCH " + option + "\n"; };
  auto add_text = [&](const char* option, const std::string& value) {
    if (!value.empty()) add(fmt::format("--{}={}", option, value));
  };
  auto add_number = [&](const char* option, int value) {
    if (value > 0) add(fmt::format("--{}={}", option, value));
  };
  add_text("job-name", request.name);
  add(fmt::format("--array=0-{}", request.members - 1));
  add("--output=" + sbatch_path(request.folder + "/" + request.name, "-%A_%a.out"));
  add("--open-mode=append");
  add("--requeue");
  add(fmt::format("--signal=B:USR1@{}", static_cast<int>(std::ceil(request.grace_s))));
  add_text("account", site.account);
  add_text("partition", site.partition);
  add_text("qos", site.qos);
  add_text("constraint", site.constraint.empty() ? "" : "\"" + site.constraint + "\"");
  add_text("time", site.time);
  add_number("ntasks", ranks);
  add_number("ntasks-per-node", site.ranks_a_node);
  add_number("cpus-per-task", site.cores_a_rank);
  add_number("gpus-per-node", site.gpus_a_node);
  add_text("mem", site.memory);
  for (const std::string& option : site.sbatch) add(option);
  return text;
}

std::string command(const BatchRequest& request, const Site& site, int ranks) {
  std::string text = site.launcher;
  const bool is_srun = text.find("srun") < text.find(' ');
  if (is_srun) {
    // Newer versions do not pass on the batch job's own value.
    if (site.cores_a_rank > 0) text += fmt::format(" --cpus-per-task={}", site.cores_a_rank);
    text += fmt::format(" --ntasks={}", ranks);
  } else {
    text += fmt::format(" --bind-to none -n {}", ranks);
  }
  if (!site.container.empty()) text += " " + site.container;
  text += " " + shell_word(request.program);
  for (const std::string& argument : request.arguments) text += " " + shell_word(argument);
  return text;
}

}  // namespace

std::string shell_word(const std::string& text) {
  constexpr const char* plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./=:,+@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  return shell_quoted(text);
}

int ranks_of(const BatchRequest& request, const Site& site) {
  if (request.ranks > 0) return request.ranks;
  if (site.ranks > 0) return site.ranks;
  return site.gpus_a_node > 0 ? site.gpus_a_node : 1;
}

std::string render_batch_file(const BatchRequest& request, const Site& site) {
  check_text("the results folder", request.folder);
  check_text("the folder", request.directory);
  check_text("the program", request.program);
  for (const std::string& argument : request.arguments) check_text("the option", argument);
  if (site.time_s() > 0 && site.time_s() < times_of_grace * request.grace_s)
    throw UserError(
        fmt::format("time = {} is too short for end_grace_s = {}, within which a run saves its state: give "
                    "at least {:.0f} s, or a smaller end_grace_s",
                    site.time, print_number(request.grace_s), times_of_grace * request.grace_s));
  const int ranks = ranks_of(request, site);
  std::string text = "#!/bin/bash\n# Written by 'apportion submit', which writes it anew each time.\n";
  text += options(request, site, ranks);
  text += "\nmember=${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}\n";
  for (const std::string& module : site.modules) text += "module load " + module + "\n";
  for (const auto& [name, value] : site.environment)
    text += "export " + name + "=" + shell_value(value) + "\n";
  text += "cd " + shell_word(request.directory) + " || exit\n";
  return text + fmt::format(shell_part, fmt::arg("command", command(request, site, ranks)),
                            fmt::arg("requeue", requeue_exit_code), fmt::arg("stuck", stuck_exit_code));
}

}  // namespace apportion
