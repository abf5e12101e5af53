#include "worker/worker.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <bit>
#include <map>

#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/link/interrupt.h"
#include "worker/device.h"
#include "worker/device_memory.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/shard_group.h"
#include "worker/session.h"
#include "worker/tasks.h"

namespace apportion {
namespace {

constexpr std::chrono::milliseconds receive_wait{200};
constexpr double longest_end_s = 30;  // to close NCCL's communicators; all results are written by then

std::unique_ptr<Collectives> group_collectives(const Assign& assign, const RanksConfig& config,
                                               const RankDevice& rank) {
  if (assign.group.size() == 1) return make_local_collectives();
  return on_device(make_mpi_collectives(assign.group, assign.group_tag, config.timeout_s), assign.group, rank,
                   config);
}

int shard_size_of(const Task& task, const RunConfig& config) {
  if (task.kind == TaskKind::scale) return task.identity.at("layout").at("shard_size").get<int>();
  return config.ranks.shard_size;
}

/// Warns, once, if copies of the base are spread over machines. Collective.
void check_placement(const Assign& assign, const RunConfig& config, Collectives& group, Link& link,
                     bool& is_said) {
  const int shard_size = shard_size_of(assign.task, config);
  if (shard_size == 1 || group.size() == 1) return;
  const std::string warning = placement_warning(machines_of(group), shard_size);
  if (warning.empty() || is_said || group.group_rank() != 0) return;
  is_said = true;
  link.send(coordinator_address, Note{assign.task.id, warning, true});
}

Done run_task(const TaskContext& context) {
  using Handler = Done (*)(const TaskContext&);
  static const std::map<TaskKind, Handler> handlers = {{TaskKind::measure, run_measure},
                                                       {TaskKind::sft, run_training},
                                                       {TaskKind::calibrate, run_training},
                                                       {TaskKind::retention, run_retention},
                                                       {TaskKind::judge, run_judge}};
  const auto handler = handlers.find(context.task.kind);
  if (handler == handlers.end())
    throw InternalError("no worker runs tasks of kind " + name_of(context.task.kind));
  return handler->second(context);
}

at::ScalarType compute_type_of(const Task& task, const RunConfig& config) {
  return resolve_compute_type(description_of(task.kind).training_type ? config.train_compute_type
                                                                      : config.measure_compute_type);
}

RankDevice device_of(const RankPlace& place) {
  RankDevice rank{compute_device(place.local_rank), place.local_ranks};
  if (rank.device.is_cuda()) rank.communicators = make_nccl_pool(longest_end_s);
  return rank;
}

/// Ends the reports of the session's loading when it goes out of scope.
struct ToldNoMore {
  Session& session;
  ~ToldNoMore() { session.tell_loading(nullptr); }
};

/// What a rank keeps between tasks.
class TaskServer {
 public:
  TaskServer(Link& link, const RankPlace& place, int threads)
      : link_(link), threads_(threads), rank_(device_of(place)), sessions_(rank_) {}

  /// Does this rank's part of the task and reports.
  void serve(const Assign& assign) {
    const bool alone = assign.group.size() == 1 && rank_.device.is_cpu();
    try {
      link_.send(coordinator_address, done_with(assign));
    } catch (const TaskPaused& paused) {
      link_.send(coordinator_address, Paused{assign.task.id, paused.done(), paused.all()});
    } catch (const std::exception& error) {
      Failed failed = failure_of(error);
      if (!alone || failed.is_of_storage) throw;
      sessions_.clear();  // a model may be in any state
      failed.task_id = assign.task.id;
      link_.send(coordinator_address, failed);
    }
  }

  /// Call when all ranks are done with all tasks: nothing is in flight between them.
  void close() {
    sessions_.clear();
    if (rank_.communicators) rank_.communicators->close();
  }

 private:
  Done done_with(const Assign& assign) {
    const RunConfig config = config_of_values(assign.settings);
    auto collectives = group_collectives(assign, config.ranks, rank_);
    check_placement(assign, config, *collectives, link_, placement_is_said_);
    reset_base_memory_peak();
    Done done;
    if (assign.task.kind == TaskKind::scale) {
      done = run_scale({config, rank_, link_, *collectives, assign.task, assign.group});
    } else {
      const int shards = config.ranks.shard_size, group_rank = collectives->group_rank();
      Session& session = sessions_.session_for(config);
      PartProgress loading(link_, assign.task, group_rank == 0, "loading");
      session.tell_loading([&](int64_t tensor, int64_t all) { loading(tensor, all); });
      const ToldNoMore ends{session};
      done = run_task({session, link_, *collectives, assign.task,
                       shard_ranks_of(assign.group, group_rank, shards),
                       replica_ranks_of(assign.group, group_rank, shards), assign.input});
    }
    release_device_memory(rank_.device);
    done.task_id = assign.task.id;
    done.base_peak_bytes = base_memory().peak;
    done.compute_type = compute_type_of(assign.task, config) == at::kBFloat16 ? "bfloat16" : "float32";
    done.threads = threads_;
    return done;
  }

  Link& link_;
  int threads_;
  RankDevice rank_;
  SessionPool sessions_;
  bool placement_is_said_ = false;
};

}  // namespace

Failed failure_of(const std::exception& error) {
  const auto* own = dynamic_cast<const Error*>(&error);
  std::string reason = memory_shortage(error);
  if (reason.empty()) reason = error.what();
  const bool is_of_storage = dynamic_cast<const StorageError*>(&error) != nullptr;
  // The text may quote a file and so hold terminal control codes; of another library's text only the first
  // line is shown.
  if (own == nullptr) reason = reason.substr(0, reason.find('\n'));
  return {text_in_message(reason, std::string::npos), own ? own->exit_code() : 1, {}, is_of_storage};
}

int serve(Link& link, const RankPlace& place) {
  // A power of two, as in lanes.h.
  const int threads = static_cast<int>(std::bit_floor(static_cast<unsigned>(place.allowed_threads)));
  keep_tensor_memory();
  at::set_num_threads(threads);
  TaskServer server(link, place, threads);
  while (true) {
    std::optional<Received> received = link.receive(receive_wait);
    if (!received) continue;
    if (const auto* stop = std::get_if<Stop>(&received->message)) {
      server.close();
      return stop->exit_code;
    }
    const auto* assign = std::get_if<Assign>(&received->message);
    if (!assign) throw InternalError("a worker receives only Assign and Stop");
    server.serve(*assign);
  }
}

}  // namespace apportion
