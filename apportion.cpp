// The table of contents: parse, start MPI, give out the roles, run, and end every rank. The only file that
// sees both sides; how a job is run is coordinator/job.h, how a task is computed worker/worker.h.
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>

#include "coordinator/capacity/forecast_page.h"
#include "coordinator/capacity/study.h"
#include "coordinator/job.h"
#include "coordinator/report/export_csv.h"
#include "coordinator/report/report.h"
#include "shared/base/bus_error.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"
#include "shared/config/command_line.h"
#include "shared/config/rank_env.h"
#include "shared/link/interrupt.h"
#include "shared/link/link_memory.h"
#include "shared/link/link_mpi.h"
#include "shared/link/rank_group.h"
#include "shared/model/recipe.h"
#include "worker/device.h"
#include "worker/device_memory.h"
#include "worker/layout.h"
#include "worker/worker.h"

namespace apportion {

namespace {

/// A rank that failed waits so long for the coordinator to end it, and one that only parsed for rank 0 to
/// speak.
constexpr std::chrono::seconds end_wait{4}, speech_wait{1};

/// One line for people: the first of what was thrown.
std::string reason_of(const std::exception& error) {
  if (std::string shortage = memory_shortage(error); !shortage.empty()) return shortage;
  std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

int exit_code_of(const std::exception& error) {
  if (auto* own = dynamic_cast<const Error*>(&error)) return own->exit_code();
  return 1;
}

/// Of a rank other than 0 the line names it.
void print_error(const std::exception& error, int rank = 0) {
  const std::string whose = rank == 0 ? "" : "rank " + std::to_string(rank) + ": ";
  std::fprintf(stderr, "apportion: %s%s\n", whose.c_str(), reason_of(error).c_str());
}

std::string type_name(ComputeType type) {
  return resolve_compute_type(type) == at::kBFloat16 ? "bfloat16" : "float32";
}

JobEnvironment environment_of(const CommandLine& line, const JobCell& cell, const RankGroup& ranks) {
  JobEnvironment environment;
  environment.name = line.job_name;
  environment.ranks = ranks.size();
  if (ranks.launch() == Launch::mpi) environment.silence_limit_s = cell.config.ranks.silence_s;
  environment.train_compute_type = type_name(cell.config.train_compute_type);
  environment.measure_compute_type = type_name(cell.config.measure_compute_type);
  environment.cell = cell.name;
  environment.swept = cell.swept;
  if (!cell.swept.empty()) environment.place = static_cast<uint64_t>(&cell - line.cells.data());
  environment.reports = &cell == &line.cells.back();
  return environment;
}

/// What `action` throws names the cell of a sweep.
template <typename Action>
void in_cell(const JobCell& cell, const Action& action) {
  if (cell.name.empty()) return action();
  try {
    action();
  } catch (const std::exception& error) {
    throw Error("cell " + cell.name + ": " + reason_of(error), exit_code_of(error));
  }
}

/// The coordinator's thread. Whatever goes wrong on any rank ends here: one line, then every rank is ended.
void coordinate(Link& link, const CommandLine& line, const JobCell& cell, const RankGroup& ranks,
                std::set<std::string>& done) {
  try {
    JobEnvironment environment = environment_of(line, cell, ranks);
    environment.done = &done;
    in_cell(cell,
            [&] { (line.command == Command::scale ? run_study : run_job)(link, cell.config, environment); });
  } catch (const std::exception& error) {
    print_error(error);
    ranks.abort(exit_code_of(error));
  }
}

/// The worker on the main thread. What it throws is the coordinator's to print.
void work(Link& link, const RunConfig& config, const RankGroup& ranks, int threads) {
  try {
    serve(link, config, {ranks.local_rank(), ranks.local_size(), threads});
  } catch (const std::exception& error) {
    try {
      link.send(coordinator_address, Failed{reason_of(error), exit_code_of(error)});
      std::this_thread::sleep_for(end_wait);
    } catch (const std::exception& link_error) {
      print_error(link_error);
    }
    ranks.abort(exit_code_of(error));
  }
}

/// This process's roles in each cell after the other; `coordinator` is nullptr on ranks other than 0.
void play_roles(Link* coordinator, Link& worker, const CommandLine& line, const RankGroup& ranks,
                int threads) {
  std::set<std::string> done;  // tasks of this run
  for (const JobCell& cell : line.cells) {
    if (coordinator && line.cells.size() > 1 && !cell.config.output.quiet) {
      std::fprintf(stderr, "cell %td of %zu: %s\n", &cell - line.cells.data() + 1, line.cells.size(),
                   cell.name.c_str());
    }
    std::thread thread;
    if (coordinator) thread = std::thread([&] { coordinate(*coordinator, line, cell, ranks, done); });
    work(worker, cell.config, ranks, threads);
    if (coordinator) thread.join();
  }
}

int threads_of(const CommandLine& line, const RankEnv& env) {
  Cores cores = count_cores(env);
  std::string warning = threads_warning(cores, env.local_size, line.config.ranks.threads);
  if (!warning.empty() && env.rank == 0) std::fprintf(stderr, "apportion: warning: %s\n", warning.c_str());
  return threads_for_rank(cores, env.local_size, line.config.ranks.threads);
}

/// The mistakes of a sweep's later cells, before the first one takes its hours. One job tells its own.
void check_cells(const CommandLine& line, const RankGroup& ranks) {
  if (ranks.rank() != 0 || line.cells.size() == 1) return;
  for (const JobCell& cell : line.cells)
    in_cell(cell, [&] { check_job(cell.config, environment_of(line, cell, ranks)); });
}

/// With what each cell's recipe and layout leave open decided, so that mistakes show before anything runs; a
/// study states its own. What holds for several cells is said once. Collective.
CommandLine with_decisions(CommandLine line, const RankGroup& ranks, int threads) {
  if (line.command != Command::run) return line;
  std::set<std::string> said;
  auto say = [&](const std::string& text) {
    if (ranks.rank() == 0 && said.insert(text).second) std::fprintf(stderr, "%s\n", text.c_str());
  };
  for (JobCell& cell : line.cells) {
    const std::vector<std::string> lines = resolve_test_sets(cell.config);
    resolve_recipe(cell.config);
    const std::string choice =
        resolve_layout(cell.config, {ranks.local_rank(), ranks.local_size(), threads}, ranks.size());
    for (const std::string& text : lines) say("apportion: warning: " + text);
    if (!choice.empty() && !cell.config.output.quiet) say(choice);
  }
  check_cells(line, ranks);
  return line;
}

/// Each rank reads the job file; what comes out of a pipe only one of them would get.
void check_job_file(const CommandLine& line, const RankEnv& env) {
  if (env.size == 1 || is_regular_file(line.job_file)) return;
  throw UserError(line.job_file + " is not a regular file, and each of the " + std::to_string(env.size) +
                  " ranks has to read the job; write it to a file");
}

void run(const CommandLine& line, const RankEnv& env) {
  check_job_file(line, env);
  int threads = threads_of(line, env);
  RankGroup ranks(env.launcher == Launcher::none ? Launch::single : Launch::mpi, env.size);
  install_interrupt_handler();
  try {
    check_devices(line.config, {ranks.local_rank(), ranks.local_size(), threads}, ranks.size());
    const CommandLine resolved = with_decisions(line, ranks, threads);
    if (ranks.launch() == Launch::single) {
      MemoryLinks links(1);
      play_roles(&links.coordinator(), links.worker(0), resolved, ranks, threads);
    } else {
      MpiLink link(ranks, [&ranks](int exit_code) { ranks.abort(exit_code); });
      play_roles(ranks.rank() == 0 ? &link.coordinator() : nullptr, link.worker(), resolved, ranks, threads);
    }
  } catch (const std::exception& error) {  // of the layout, and of the link's own beginning or end
    if (ranks.rank() != 0) std::this_thread::sleep_for(speech_wait);  // where all fail alike rank 0 says it
    print_error(error, ranks.rank());
    ranks.abort(exit_code_of(error));
  }
}

/// Of the commands only `run` and `scale` are for several ranks; the others are rank 0's. Returns what the
/// process ends with.
int act(const CommandLine& line, const RankEnv& env) {
  if (line.command == Command::run || line.command == Command::scale) {
    run(line, env);
  } else if (env.rank != 0) {
    return 0;
  } else if (line.command == Command::export_csv) {
    export_csv(line.directory, line.csv_file);
  } else if (line.command == Command::report) {
    return print_report(line.directory, line.config.output, {line.cell, line.by, line.fail_if});
  } else {
    print_output(line.command == Command::plan ? render_forecast(line.config) : line.text);
  }
  return 0;
}

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  using namespace apportion;
  RankEnv env;
  try {
    open_standard_descriptors();
    env = read_rank_env();
    if (!env.problem.empty()) throw UserError(env.problem);
    install_bus_error_handler(env.rank);
    if (env.launcher != Launcher::none) ::setenv("TERM", "dumb", 1);  // mpirun's pipe looks like a terminal
    return act(parse_command_line(argc, argv), env);
  } catch (const std::exception& error) {
    // Every rank fails alike here. Rank 0 says why; a rank that ended before would have the launcher kill it
    // first.
    if (env.rank == 0) {
      print_error(error);
    } else {
      std::this_thread::sleep_for(speech_wait);
    }
    return exit_code_of(error);
  }
}
