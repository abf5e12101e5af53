#include "worker/worker.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <bit>
#include <map>

#include "shared/base/error.h"
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
constexpr double longest_end_s = 30;  // of NCCL's communicators; by then all results are written

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

/// Says it, once, where copies of the base lie across machines. Collective.
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

}  // namespace

int serve(Link& link, const RunConfig& config, const RankPlace& place) {
  // A power of two, as in lanes.h.
  const int threads = static_cast<int>(std::bit_floor(static_cast<unsigned>(place.allowed_threads)));
  keep_tensor_memory();
  at::set_num_threads(threads);
  RankDevice rank{compute_device(place.local_rank), place.local_ranks};
  if (rank.device.is_cuda()) rank.communicators = make_nccl_pool(longest_end_s);
  std::unique_ptr<Session> session;
  bool placement_is_said = false;
  while (true) {
    std::optional<Received> received = link.receive(receive_wait);
    if (!received) continue;
    if (const auto* stop = std::get_if<Stop>(&received->message)) {
      // All ranks are done with all tasks: nothing is in flight between them.
      session.reset();
      if (rank.communicators) rank.communicators->close();
      return stop->exit_code;
    }
    const auto* assign = std::get_if<Assign>(&received->message);
    if (!assign) throw InternalError("a worker receives only Assign and Stop");
    auto collectives = group_collectives(*assign, config.ranks, rank);
    check_placement(*assign, config, *collectives, link, placement_is_said);
    reset_base_memory_peak();
    Done done;
    if (assign->task.kind == TaskKind::scale) {
      done = run_scale({config, rank, link, *collectives, assign->task, assign->group});
    } else {
      if (!session) session = std::make_unique<Session>(config, rank);
      try {
        done = run_task({*session, link, *collectives, assign->task,
                         shard_ranks_of(assign->group, collectives->group_rank(), config.ranks.shard_size),
                         replica_ranks_of(assign->group, collectives->group_rank(), config.ranks.shard_size),
                         assign->input});
      } catch (const TaskPaused& paused) {
        link.send(coordinator_address, Paused{assign->task.id, paused.done(), paused.all()});
        continue;
      }
    }
    release_device_memory(rank.device);
    done.task_id = assign->task.id;
    done.base_peak_bytes = base_memory().peak;
    done.compute_type = compute_type_of(assign->task, config) == at::kBFloat16 ? "bfloat16" : "float32";
    done.threads = threads;
    link.send(coordinator_address, done);
  }
}

}  // namespace apportion
