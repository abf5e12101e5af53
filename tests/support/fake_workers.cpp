// Workers that compute nothing; see fake_workers.h.
#include "tests/support/fake_workers.h"

#include "shared/base/digest.h"
#include "shared/base/file_system.h"

namespace apportion {

namespace {

int wordings_of(const MeasureTables& tables) {
  return static_cast<int>(tables.prompts.size() / tables.subjects.size());
}

/// Does a rank's part of a measure task: every prompt is a unit, dealt by group rank.
Done measure(Link& link, const FakeJob& job, const Assign& assign, size_t group_rank) {
  const MeasureTables& tables = job.tables.at(assign.task.test_set);
  int wordings = wordings_of(tables);
  Done done;
  for (size_t unit = group_rank; unit < tables.prompts.size(); unit += assign.group.size()) {
    int number = static_cast<int>(unit);
    PromptResult prompt = fake_prompt(tables, job.rounds, number / wordings, number % wordings);
    link.send(coordinator_address, Histogram{assign.task.id, number, {prompt}});
    ++done.units;
  }
  return done;
}

Done train(Link& link, const FakeJob& job, const Assign& assign, size_t group_rank) {
  Done done;
  done.micro_batches = 2;
  if (group_rank != 0) return done;
  Progress progress;
  progress.task_id = assign.task.id;
  progress.stage = assign.task.label;
  progress.step = progress.steps = 1;
  link.send(coordinator_address, progress);
  std::string folder = adapter_directory(job.directory, assign.task.id);
  make_directories(folder);
  write_file(folder + "/adapter_config.json", "{}");
  write_file(folder + "/adapter_model.safetensors", "weights of " + assign.task.id);
  done.adapter_digest = sha256_file(folder + "/adapter_model.safetensors");
  for (auto column : {&TrainLog::step, &TrainLog::loss, &TrainLog::kl, &TrainLog::kto, &TrainLog::retain,
                      &TrainLog::z, &TrainLog::z_unclamped, &TrainLog::coverage, &TrainLog::grad_norm,
                      &TrainLog::lr, &TrainLog::tokens, &TrainLog::seconds}) {
    done.log.*column = {0.5};
  }
  return done;
}

}  // namespace

PromptResult fake_prompt(const MeasureTables& tables, uint64_t rounds, int subject, int wording) {
  size_t categories = tables.categories.size();
  PromptResult prompt;
  prompt.subject = subject;
  prompt.wording = wording;
  prompt.counts.assign(categories + 2, 0);
  prompt.counts[0] = rounds_per_wording(rounds, wordings_of(tables))[static_cast<size_t>(wording)];
  prompt.steering.assign(categories, 1.0 / static_cast<double>(categories));
  prompt.low = prompt.steering;
  prompt.unexplored = 0;
  prompt.answers = {{0, prompt.counts[0], -0.5, Finish::end, "0 " + tables.categories[0]}};
  return prompt;
}

FakeWorkers::FakeWorkers(MemoryLinks& links, int ranks, FakeJob job) : job_(std::move(job)) {
  for (int rank = 0; rank < ranks; ++rank) {
    threads_.emplace_back([this, &links, rank] { serve(links.worker(rank), rank); });
  }
}

FakeWorkers::~FakeWorkers() {
  ended_ = true;
  for (std::thread& thread : threads_) thread.join();
}

std::map<std::string, std::vector<int>> FakeWorkers::groups() const {
  std::lock_guard lock(mutex_);
  return groups_;
}

int FakeWorkers::group_count() const {
  std::lock_guard lock(mutex_);
  return group_count_;
}

void FakeWorkers::note(int rank, const Assign& assign) {
  if (assign.group.front() != rank) return;
  std::lock_guard lock(mutex_);
  groups_[assign.task.label] = assign.group;
  ++group_count_;
}

void FakeWorkers::serve(Link& link, int rank) {
  while (!ended_) {
    auto received = link.receive(std::chrono::milliseconds(5));
    if (!received) continue;
    const auto* assign = std::get_if<Assign>(&received->message);
    if (!assign) return;
    note(rank, *assign);
    std::optional<Message> other = job_.instead ? job_.instead(rank, *assign) : std::nullopt;
    if (other) {
      link.send(coordinator_address, *other);
      continue;
    }
    size_t group_rank = 0;
    while (assign->group[group_rank] != rank) ++group_rank;
    bool measured = assign->task.kind == TaskKind::measure;
    Done done = measured ? measure(link, job_, *assign, group_rank) : train(link, job_, *assign, group_rank);
    done.task_id = assign->task.id;
    done.compute_type = assign->task.identity.value("compute_type", "");
    done.threads = 1;
    link.send(coordinator_address, done);
  }
}

}  // namespace apportion
