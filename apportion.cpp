// The table of contents: parse, start MPI, give out the roles, run, and end every rank. The only file that
// sees both sides; how a job is run is coordinator/job.h, how a task is computed worker/worker.h.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "coordinator/capacity/forecast_page.h"
#include "coordinator/capacity/prediction.h"
#include "coordinator/capacity/study.h"
#include "coordinator/capacity/sweep_page.h"
#include "coordinator/folder/claims.h"
#include "coordinator/folder/clearing.h"
#include "coordinator/folder/folder_status.h"
#include "coordinator/folder/merge.h"
#include "coordinator/folder/pack.h"
#include "coordinator/folder/watch.h"
#include "coordinator/inspect/inspect.h"
#include "coordinator/job.h"
#include "coordinator/leaving.h"
#include "coordinator/report/card/leave_cards.h"
#include "coordinator/report/csv/export_csv.h"
#include "coordinator/report/report.h"
#include "coordinator/restarts.h"
#include "coordinator/submit/submit.h"
#include "shared/base/bus_error.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"
#include "shared/config/command/command_line.h"
#include "shared/config/rank_env.h"
#include "shared/config/target.h"
#include "shared/data/target.h"
#include "shared/link/interrupt.h"
#include "shared/link/link_memory.h"
#include "shared/link/link_mpi.h"
#include "shared/link/rank_group.h"
#include "shared/measure/metric_table.h"
#include "shared/model/decisions.h"
#include "shared/model/recipe.h"
#include "shared/model/steering.h"
#include "worker/device.h"
#include "worker/layout.h"
#include "worker/merged/gguf_lora.h"
#include "worker/merged/merged_model.h"
#include "worker/score/score.h"
#include "worker/worker.h"

namespace apportion {

namespace {

/// How long a failed rank waits for the coordinator to end it, and how long a rank leaves it to rank 0 to
/// report an error that all ranks share.
constexpr std::chrono::seconds end_wait{4}, speech_wait{1};

/// A line from a rank other than 0 names the rank.
void print_error(const std::exception& error, int rank = 0) {
  const std::string whose = rank == 0 ? "" : "rank " + std::to_string(rank) + ": ";
  std::fprintf(stderr, "apportion: %s%s\n", whose.c_str(), failure_of(error).reason.c_str());
}

std::string type_name(ComputeType type) {
  return resolve_compute_type(type) == at::kBFloat16 ? "bfloat16" : "float32";
}

JobEnvironment environment_of(const CommandLine& line, const RankGroup& ranks, const Restarts& restarts) {
  JobEnvironment environment;
  environment.name = line.job_name;
  environment.ranks = ranks.size();
  if (ranks.launch() == Launch::mpi) environment.silence_limit_s = line.config.ranks.silence_s;
  environment.resolved_type = type_name;
  environment.restarts = &restarts;
  return environment;
}

/// Whether a run that ends with `error` leaves a page. Not when it was stopped (it leaves at once), when the
/// disk is full (that is reported once), or when another run has taken over the folder and writes its page.
bool leaves_page(const std::exception& error) {
  return interrupt_signal() == 0 && dynamic_cast<const StorageError*>(&error) == nullptr &&
         dynamic_cast<const LeaseLost*>(&error) == nullptr;
}

/// Makes sure that all ranks are ended with `code` after end_wait, whatever this thread is doing by then.
/// Returns false when no thread can be started because memory has run out.
bool ends_later(const RankGroup& ranks, int code) {
  if (ranks.launch() != Launch::mpi) return true;
  try {
    std::thread([&ranks, code] {
      std::this_thread::sleep_for(end_wait);
      ranks.abort(code);
    }).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

/// The coordinator's thread. An error on any rank ends up here: it prints one line, then ends every rank,
/// unless all were told to leave. The line comes first and waits for nothing; a run's page follows it.
void coordinate(Link& link, const CommandLine& line, const RankGroup& ranks, const Restarts& restarts) {
  bool began = false;
  const auto leave = [&] {
    if (began) leave_page(line.config.output.directory);
  };
  try {
    JobEnvironment environment = environment_of(line, ranks, restarts);
    environment.began = [&] { began = true; };
    if (line.command == Command::scale) {
      run_study(link, line.config, environment);
    } else {
      run_job(link, line.cells, environment);
    }
    leave();
  } catch (const LeftInOrder& left) {
    print_error(left);
    if (leaves_page(left)) leave();
  } catch (const std::exception& error) {
    print_error(error);
    const int code = failure_of(error).exit_code;
    // Ranks work on until they are ended, on tasks that any run may take by now: the page gets a time limit.
    if (leaves_page(error) && ends_later(ranks, code)) leave();
    ranks.abort(code);
  }
}

/// Runs the worker on the main thread and returns its exit code. The coordinator prints what it throws.
int work(Link& link, const RankGroup& ranks, int threads) {
  try {
    return serve(link, {ranks.local_rank(), ranks.local_size(), threads});
  } catch (const std::exception& error) {
    try {
      link.send(coordinator_address, failure_of(error));
      std::this_thread::sleep_for(end_wait);
    } catch (const std::exception& link_error) {
      print_error(link_error);
    }
    ranks.abort(failure_of(error).exit_code);
  }
}

/// Plays this process's roles and returns its exit code; `coordinator` is nullptr on ranks other than 0.
int play_roles(Link* coordinator, Link& worker, const CommandLine& line, const RankGroup& ranks, int threads,
               const Restarts& restarts) {
  std::thread thread;
  if (coordinator) thread = std::thread([&] { coordinate(*coordinator, line, ranks, restarts); });
  const int exit_code = work(worker, ranks, threads);
  if (coordinator) thread.join();
  return exit_code;
}

int threads_of(const CommandLine& line, const RankEnv& env) {
  Cores cores = count_cores(env);
  std::string warning = threads_warning(cores, env.local_size, line.config.ranks.threads);
  if (!warning.empty() && env.rank == 0) std::fprintf(stderr, "apportion: warning: %s\n", warning.c_str());
  return threads_for_rank(cores, env.local_size, line.config.ranks.threads);
}

/// Calls `find_out` for each configuration that no earlier cell has decided, and reuses its decisions for
/// cells like that one. Returns for each cell the number of the call that decided it.
std::vector<size_t> decide_each(std::vector<JobCell>& cells,
                                const std::function<void(RunConfig&)>& find_out) {
  std::vector<size_t> numbers;
  Decisions known;
  for (JobCell& cell : cells) {
    in_cell(cell, [&] {
      if (!known.decide(cell.config)) {
        find_out(cell.config);
        known.keep(cell.config);
      }
      numbers.push_back(known.number());
    });
  }
  return numbers;
}

using Say = std::function<void(const std::string&)>;

/// Decides what a cell's test sets, steering and recipe leave open: all that follows from model and dataset,
/// whatever the ranks and their machine.
void decide_by_data(RunConfig& config, const Say& warn, const Say& inform) {
  for (const std::string& text : resolve_test_sets(config)) warn("apportion: warning: " + text);
  inform(resolve_steering(config));
  resolve_adapter(config);
  resolve_recipe(config);
}

void say_nothing(const std::string& /*text*/) {}

/// Decides what each cell's steering, recipe and layout leave open, so that mistakes show before anything
/// runs; a study states its own. What several cells share is worked out and reported once. Collective.
void decide(CommandLine& line, const RankGroup& ranks, int threads) {
  if (line.command == Command::scale) resolve_adapter(line.config);
  if (line.command != Command::run) return;
  std::set<std::string> said;
  auto say = [&](const std::string& text) {
    if (ranks.rank() == 0 && said.insert(text).second) std::fprintf(stderr, "%s\n", text.c_str());
  };
  decide_each(line.cells, [&](RunConfig& config) {
    auto inform = [&](const std::string& choice) {
      if (!choice.empty() && !config.output.quiet) say(choice);
    };
    decide_by_data(config, say, inform);
    inform(resolve_layout(config, {ranks.local_rank(), ranks.local_size(), threads}, ranks.size()));
  });
}

/// Refuses a target that does not fit its dataset, on which no decision depends.
void check_targets(const std::vector<JobCell>& cells) {
  std::set<std::pair<std::string, std::string>> checked;
  for (const JobCell& cell : cells) {
    const DataConfig& data = cell.config.data;
    if (!checked.emplace(data.dataset, print_target(data.target)).second) continue;
    in_cell(cell, [&] {
      try {
        load_dataset(data);
      } catch (const MissingError&) {  // printed_config() says so
      }
    });
  }
}

/// The configurations that would run, as job files. What depends on the ranks and their machine stays `auto`,
/// and so does, with a warning, what a model or dataset that is not here would decide.
std::string printed_config(CommandLine line) {
  std::set<std::string> said;
  const auto warn = [&](const std::string& text) {
    if (said.insert(text).second) std::fprintf(stderr, "%s\n", text.c_str());
  };
  check_targets(line.cells);
  decide_each(line.cells, [&](RunConfig& config) {
    try {
      decide_by_data(config, warn, say_nothing);
    } catch (const MissingError& error) {
      // An adapter's own rank and layers would be printed wrong.
      if (!config.data.adapter_in.empty()) throw;
      warn(std::string("apportion: warning: what is `auto` below was not decided: ") + error.what());
    }
  });
  return print_cells(line.cells);
}

/// The forecast of a sweep, which is not run: each cell on ranks like this one, as many as a member has.
/// Cells that leave the same decisions open are sized once.
std::string planned_sweep(CommandLine line) {
  const int member_ranks = std::max(line.submit.ranks, 1);
  const double memory_bytes = planned_machine(line.config.capacity).machine.memory_bytes;
  std::vector<JobCell> cells = std::move(line.cells);
  JobSizer sizer({0, member_ranks, 1}, member_ranks, memory_bytes);
  std::vector<JobSize> sizes;
  const std::vector<size_t> size_of = decide_each(cells, [&](RunConfig& config) {
    decide_by_data(config, say_nothing, say_nothing);
    sizes.push_back(sizer.size_of(config));
    put_layout(config, sizes.back().layout);
  });
  JobEnvironment environment;
  environment.name = line.job_name;
  environment.ranks = member_ranks;
  environment.resolved_type = type_name;
  const SweepForecast forecast =
      forecast_sweep(cells, environment, [&](size_t cell) -> const JobSize& { return sizes[size_of[cell]]; });
  return line.config.output.json ? sweep_json(forecast) : sweep_page(forecast, detect_style(stdout));
}

/// Each rank reads the job file, so it must not be a pipe, whose contents only one of them would get.
void check_job_file(const CommandLine& line, const RankEnv& env) {
  if (env.size == 1 || is_regular_file(line.job_file)) return;
  throw UserError(line.job_file + " is not a regular file, and each of the " + std::to_string(env.size) +
                  " ranks has to read the job; write it to a file");
}

/// From now on signals, and the end of the batch job, ask the run to stop.
void heed_interrupts(const CommandLine& line, const BatchJob& job) {
  install_interrupt_handler(!job.id.empty());
  const double stop = stop_time(job, line.config.ranks.end_grace_s, unix_seconds());
  if (stop > 0) set_end_of_job(stop);
}

int run(CommandLine line, const RankEnv& env) {
  check_job_file(line, env);
  const BatchJob job = read_batch_job();
  heed_interrupts(line, job);
  Restarts restarts(line.config.output.directory, job);
  restarts.check();
  int threads = threads_of(line, env);
  RankGroup ranks(env.launcher == Launcher::none ? Launch::single : Launch::mpi, env.size);
  try {
    check_devices(line.config, {ranks.local_rank(), ranks.local_size(), threads}, ranks.size());
    decide(line, ranks, threads);
    if (ranks.rank() == 0) restarts.count();
    if (ranks.rank() != 0) line.cells.clear();  // only the coordinator uses them
    int exit_code = 0;
    if (ranks.launch() == Launch::single) {
      MemoryLinks links(1);
      exit_code = play_roles(&links.coordinator(), links.worker(0), line, ranks, threads, restarts);
    } else {
      MpiLink link(
          ranks, [&ranks](int code) { ranks.abort(code); }, line.config.ranks.end_grace_s);
      Link* coordinator = ranks.rank() == 0 ? &link.coordinator() : nullptr;
      exit_code = play_roles(coordinator, link.worker(), line, ranks, threads, restarts);
    }
    if (exit_code == 0 && ranks.rank() == 0) restarts.forget();
    return exit_code;
  } catch (const std::exception& error) {  // from the layout, or from opening or closing the link
    if (ranks.rank() != 0) std::this_thread::sleep_for(speech_wait);  // if all fail alike rank 0 says so
    print_error(error, ranks.rank());
    ranks.abort(failure_of(error).exit_code);
  }
}

/// `status`, once or repeatedly until a signal ends it. Returns the process's exit code.
int print_status(const CommandLine& line) {
  const auto look = [&] {
    const FolderStatus status = folder_status(line.directory, folder_seconds(line.directory));
    if (line.watch && !line.config.output.json) print_output("\x1b[H\x1b[2J");
    print_output(line.config.output.json ? status_json(status) : render_status(status));
    return true;
  };
  if (line.watch) return watch(look);
  look();
  return 0;
}

void retry(const CommandLine& line) {
  const size_t tasks = retry_failed(line.directory);
  print_output(tasks == 0 ? "no task has failed\n"
                          : std::to_string(tasks) + " tasks are tried again by the next run of their job\n");
}

/// Does a long piece of work and shows meanwhile how many results (or whatever `what` names) are done.
template <typename Work>
auto shown(const CommandLine& line, const std::string& command, const Work& work,
           const std::string& what = "results") {
  Status status(line.config.output);
  WorkProgress progress(status, command, what);
  return work(DoneTold(std::ref(progress)));
}

void verify(const CommandLine& line) {
  size_t seen = 0;
  const std::vector<std::string> faults = shown(line, "verify", [&](const DoneTold& told) {
    return is_regular_file(line.directory) ? verify_pack(line.directory, seen, told)
                                           : verify_folder(line.directory, seen, told);
  });
  std::string text;
  for (const std::string& fault : faults) text += fault + "\n";
  print_output(text + std::to_string(seen) + " results, " + std::to_string(faults.size()) +
               " damaged files or records\n");
  if (!faults.empty()) throw Error(faults.front(), 1);
}

void pack(const CommandLine& line) {
  const size_t results = shown(line, "pack", [&](const DoneTold& told) {
    return pack_folder(line.directory, line.folder.file, line.folder.adapters, told);
  });
  print_output(std::to_string(results) + " results are in " + line.folder.file + "\n");
}

/// Only `run` and `scale` use several ranks; rank 0 alone carries out other commands. Returns the process's
/// exit code.
int act(CommandLine line, const RankEnv& env) {
  if (line.command == Command::run || line.command == Command::scale) return run(std::move(line), env);
  if (env.rank != 0) return 0;
  if (line.command == Command::report)
    return print_report(
        line.directory, line.config.output,
        {line.cell, line.by, line.fail_if, line.html_file, line.latex_file, line.markdown_file, line.watch});
  if (line.command == Command::status) return print_status(line);
  if (line.command == Command::merge) {
    const Merged merged = shown(line, "merge", [&](const DoneTold& told) {
      return merge_folder(line.directory, line.folder.from, told);
    });
    return say_merged(merged, line.folder.from);
  }
  if (line.command == Command::submit) {
    submit_job(line);
  } else if (line.command == Command::export_csv) {
    export_csv(line.directory, line.csv_file);
  } else if (line.command == Command::export_merged) {
    print_output(shown(
        line, "export",
        [&](const DoneTold& told) { return export_merged(line.directory, line.cell, line.exported, told); },
        "tensors"));
    if (line.exported.gguf.empty())
      leave_card_of_export(line.directory, line.cell, line.exported.model, line.exported.merged);
  } else if (line.command == Command::export_gguf_lora) {
    print_output(export_gguf_lora(line.directory, line.cell, line.exported));
  } else if (line.command == Command::retry) {
    retry(line);
  } else if (line.command == Command::verify) {
    verify(line);
  } else if (line.command == Command::plan) {
    print_output(line.cells.empty() ? render_forecast(line.config) : planned_sweep(std::move(line)));
  } else if (line.command == Command::print_config) {
    print_output(printed_config(std::move(line)));
  } else if (line.command == Command::gc) {
    clear_folder(line.directory, {line.folder.forget, line.folder.jobs}, line.folder.yes,
                 line.config.output.json);
  } else if (line.command == Command::pack) {
    pack(line);
  } else if (line.command == Command::inspect) {
    print_output(inspect_model(line.config));
  } else if (line.command == Command::dump_metrics_page) {
    print_output(format_metrics_page());
  } else if (line.command == Command::score) {
    score_rows(line.score, line.config, {0, 1, threads_of(line, env)}, print_output);
  } else {
    print_output(line.text);
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
    // Every rank fails alike here and rank 0 says why. If another rank ended before it, the launcher would
    // kill rank 0 first.
    if (env.rank == 0) {
      print_error(error);
    } else {
      std::this_thread::sleep_for(speech_wait);
    }
    return failure_of(error).exit_code;
  }
}
