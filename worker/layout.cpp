#include "worker/layout.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>

#include "shared/base/error.h"
#include "shared/base/memory_limits.h"
#include "shared/config/method.h"
#include "shared/data/example.h"
#include "shared/data/keep.h"
#include "worker/device.h"
#include "worker/gpu/device_map.h"
#include "worker/kernels/panel_products.h"
#include "worker/parallel/lanes.h"
#include "worker/train/batch.h"
#include "worker/train/objective.h"

namespace apportion {
namespace {

int64_t parts(int64_t whole, int64_t of) { return (whole + of - 1) / of; }

const char* word(Recompute recompute) { return recompute == Recompute::always ? "always" : "never"; }

std::string spell(const LayoutChoice& choice) {
  return "shard_size = " + std::to_string(choice.shard_size) + " and recompute = " + word(choice.recompute);
}

/// The largest amounts of work, among those looked at, that a job's tasks compute at a time.
struct Work {
  std::vector<StepLoad> stages;  // a micro-batch of each; empty: no training
  int64_t prompt = 0;            // tokens of a measured prompt
  int64_t units = 0;             // of a test set
};

/// Prompts of the training set, batch by batch; only the first batches, which are quick to tokenise.
std::vector<std::vector<Prompt>> first_batches(const Session& session) {
  const RunConfig& config = session.config();
  const auto prompts = training_prompts(session.dataset(), config.data);
  const BatchSchedule schedule(subjects_in(prompts), config.batch.batch_prompts, config.data.seed);
  constexpr int looked_at = 4;
  std::vector<std::vector<Prompt>> batches;
  for (int batch = 0; batch < std::min(schedule.batches(), looked_at); ++batch) {
    batches.emplace_back();
    for (int member : schedule.batch(batch)) batches.back().push_back(prompts[static_cast<size_t>(member)]);
  }
  return batches;
}

/// As many rows as join the fullest micro-batch of a step, each as long as the longest can be: which rows
/// join is not known until the untouched model has answered.
class JoiningLoad {
 public:
  explicit JoiningLoad(const Session& session) {
    const RunConfig& config = session.config();
    if (config.keep.weight == 0 && config.story.answers != Answers::self) return;
    const auto asked = keep_prompts(config.keep.train, KeepUse::train, session.dataset(), config.data);
    std::vector<int32_t> longest;
    for (const KeepPrompt& prompt : asked) {
      auto tokens = session.chat().encode_prompt(prompt.text);
      if (tokens.size() > longest.size()) longest = std::move(tokens);
    }
    const auto in_part = [&](int rows) {
      return static_cast<size_t>(parts(rows, config.batch.micro_batches));
    };
    const auto text = [](int tokens) { return std::vector<int32_t>(static_cast<size_t>(tokens), 0); };
    if (config.keep.weight > 0)
      replay_.assign(in_part(config.keep.prompts), {longest, text(config.keep.tokens), 0});
    if (config.story.answers != Answers::self) return;
    const StoryConfig& story = config.story;
    StoryRow row{longest, {}};
    for (size_t path = 0; path < session.dataset().categories.size() * static_cast<size_t>(story.stories);
         ++path) {
      row.paths.push_back({text(story.tokens), std::vector<double>(static_cast<size_t>(story.tokens), 1)});
      row.paths.back().tokens.front() = static_cast<int32_t>(path % 256);  // differ from the first token on
    }
    stories_.assign(in_part(story.prompts), row);
  }

  JoiningRows rows() const {
    JoiningRows rows;
    for (const ReplayRow& row : replay_) rows.replay.push_back(&row);
    rows.stories = stories_;
    return rows;
  }

 private:
  std::vector<ReplayRow> replay_;
  std::vector<StoryRow> stories_;
};

/// The largest sizes among a stage's first micro-batches, packed as the trainer packs them.
StepLoad load_of(const Stage& stage, const Session& session, const JoiningRows& joining) {
  const RunConfig& config = session.config();
  const auto subjects = subjects_of(session.dataset(), "train", config.data.subjects);
  const Packing packing = objective_of(stage, config).packing;
  StepLoad load;
  for (const std::vector<Prompt>& batch : first_batches(session)) {
    const auto prompts = train_prompts(session.dataset(), batch, subjects, session.chat(), config.data.seed,
                                       stage.answers, config.steering);
    std::vector<int> members(prompts.size());
    std::iota(members.begin(), members.end(), 0);
    for (const auto& part : split_batch(prompts, members, config.batch.micro_batches)) {
      if (part.empty()) continue;
      const MicroBatch packed =
          pack_micro_batch(prompts, members, part, packing, session.shape(), at::kCPU, joining);
      const int64_t block_keys = packed.rows.plan.keys_BU.size(1);
      load.tokens = std::max(load.tokens, packed.tree_tokens);
      load.path = std::max(load.path, block_keys - 32);  // StepLoad::block_keys() adds them
      const int64_t kept = packed.kept.empty() ? 0 : packed.kept.row_N.size(0);  // the base's rows are extra
      load.vocabulary_rows = std::max(load.vocabulary_rows, packed.edges.rows_R.size(0) + kept);
    }
  }
  return load;
}

/// The load of each of the method's stages.
std::vector<StepLoad> training_loads(const Session& session) {
  const auto stages = stages_of(session.config().method, session.config().steering);
  if (stages.empty()) return {};
  check_steering(session.dataset(), session.config().steering);
  const JoiningLoad joining(session);
  std::vector<StepLoad> loads;
  for (const Stage& stage : stages) loads.push_back(load_of(stage, session, joining.rows()));
  return loads;
}

StepLoad largest_of(const std::vector<StepLoad>& loads) {
  StepLoad largest;
  for (const StepLoad& load : loads) {
    largest.tokens = std::max(largest.tokens, load.tokens);
    largest.path = std::max(largest.path, load.path);
    largest.vocabulary_rows = std::max(largest.vocabulary_rows, load.vocabulary_rows);
  }
  return largest;
}

Work work_of(const Session& session) {
  const RunConfig& config = session.config();
  Work work;
  work.stages = training_loads(session);
  for (const std::string& test_set : config.measure.test_sets) {
    const auto prompts =
        prompts_of(session.dataset(), test_set, config.data.holdout_wordings, config.data.subjects);
    work.units =
        std::max(work.units, parts(static_cast<int64_t>(prompts.size()), config.measure.unit_prompts));
    if (!prompts.empty()) {
      const auto tokens = session.chat().encode_prompt(prompts.front().text).size();
      work.prompt = std::max(work.prompt, static_cast<int64_t>(tokens));
    }
  }
  return work;
}

/// Bytes that a rank needs for a job's tasks under a layout.
class JobNeeds {
 public:
  JobNeeds(const Session& session, const RankPlace& place, int ranks)
      : config_(session.config()),
        shape_(session.shape()),
        work_(work_of(session)),
        ranks_(ranks),
        one_node_(session.device().is_cpu() && place.local_ranks == ranks && config_.ranks.node_sharing &&
                  config_.base.place == BasePlace::memory),
        device_(session.device()),
        threads_(lanes_on(device_, place.allowed_threads)) {}

  double operator()(int64_t shard_size, Recompute recompute) const {
    const RankLayout layout = layout_of(shard_size, recompute, config_.train_compute_type);
    return with_reserve(shape_, layout, std::max(training(shard_size, recompute), measuring(shard_size)),
                        device_);
  }

  const Work& work() const { return work_; }

 private:
  /// The smallest group that a task may be given: its ranks share micro-batches and units.
  int64_t group_of(int64_t shard_size) const {
    const int64_t size = std::min<int64_t>(config_.ranks.group_size, ranks_);
    return size > 0 && ranks_ % size == 0 ? size : shard_size;
  }
  /// Whether a rank can reach all of the base in the form that it computes with: its own copy, a kept one, or
  /// the machine's.
  bool is_whole(int64_t shard_size) const {
    const bool stays =
        config_.base.type == BaseType::compute &&
        (config_.base.place == BasePlace::memory || config_.ranks.resident == Residence::always);
    return stays && (shard_size == 1 || one_node_ || config_.ranks.resident == Residence::always);
  }
  RankLayout layout_of(int64_t shard_size, Recompute recompute, ComputeType type) const {
    RankLayout layout;
    layout.ranks = ranks_;
    layout.shard_size = config_.ranks.resident == Residence::always && !one_node_ ? 1 : shard_size;
    layout.tuning = config_.adapter == AdapterKind::none ? Tuning::full : Tuning::adapter;
    layout.recompute = recompute;
    layout.base = config_.base.type;
    layout.place = config_.ranks.resident == Residence::always ? BasePlace::memory : config_.base.place;
    const at::ScalarType resolved = resolve_compute_type(type);
    layout.compute_bytes = static_cast<double>(c10::elementSize(resolved));
    layout.panels = multiplies_in_panels(device_, resolved);
    layout.joined = !device_.is_cpu();
    return layout;
  }

  double training(int64_t shard_size, Recompute recompute) const {
    if (work_.stages.empty()) return 0;
    const RankLayout layout = layout_of(shard_size, recompute, config_.train_compute_type);
    StepLoad load = largest_of(work_.stages);
    load.micro_batches = parts(config_.batch.micro_batches, group_of(shard_size));
    load.lanes = std::min(threads_, load.micro_batches);
    double bytes = rank_memory(shape_, config_.lora, load, layout).total();
    // A rank that reads the machine's copy keeps the head in the compute type, as a rank with its own copy
    // does.
    if (one_node_ && shard_size > 1 && layout.compute_bytes < 4)
      bytes += static_cast<double>(shape_.vocabulary * shape_.width) * layout.compute_bytes;
    return bytes;
  }

  /// Counts the base; keys and values of a unit's prompts and expanded nodes, on each lane or, where a rank's
  /// units grow side by side, for all of them; and logits of a few pieces (answer_tree.cpp).
  double measuring(int64_t shard_size) const {
    const RankLayout layout = layout_of(shard_size, Recompute::never, config_.measure_compute_type);
    const RankMemory base = rank_memory(shape_, config_.lora, StepLoad{}, layout);
    const int64_t own = parts(work_.units, group_of(shard_size)), lanes = std::min(threads_, own);
    const int64_t growing = is_whole(shard_size) ? lanes : own;
    const int64_t slots = config_.measure.unit_prompts * (work_.prompt + config_.measure.exact_nodes);
    const double keys = static_cast<double>(2 * shape_.layers * shape_.kv_heads * shape_.head_dim * slots) *
                        layout.compute_bytes;
    constexpr double piece_rows = 256, copies = 2;
    return base.base + base.gathered + base.embedding + base.vocabulary + base.positions +
           static_cast<double>(growing) * keys +
           static_cast<double>(lanes * shape_.vocabulary) * 4 * piece_rows * copies;
  }

  const RunConfig& config_;
  const ModelShape shape_;
  const Work work_;
  const int ranks_;
  const bool one_node_;  // all ranks share one machine's memory
  const at::Device device_;
  const int64_t threads_;
};

LayoutFreedom freedom_of(const RunConfig& config, int ranks) {
  return {ranks, std::min(config.ranks.group_size, ranks), config.ranks.shard_size, config.ranks.recompute};
}

/// What rank 0 decides.
LayoutChoice decide(const RunConfig& config, const RankPlace& place, const RankDevice& rank, int ranks,
                    double memory_bytes) {
  const Session session(config, rank);
  const JobNeeds needs(session, place, ranks);
  return fitting_layout(config.data.model, freedom_of(config, ranks), memory_bytes, needs);
}

/// All ranks of the job, before there are tasks.
std::unique_ptr<Collectives> job_collectives(const RunConfig& config, int ranks) {
  if (ranks == 1) return make_local_collectives();
  std::vector<int> world(static_cast<size_t>(ranks));
  std::iota(world.begin(), world.end(), 0);
  constexpr int tag = 0;  // groups of tasks count from 1
  return make_mpi_collectives(world, tag, config.ranks.timeout_s);
}

}  // namespace

std::string gibibytes(double bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f GiB", bytes / gibi);
  return text.data();
}

double with_reserve(const ModelShape& shape, const RankLayout& layout, double tensor_bytes,
                    at::Device device) {
  if (!device.is_cpu()) return tensor_bytes + gpu_beside(shape, layout, tensor_bytes).beyond_context();
  constexpr double blocks = 1.1, program = 67108864;
  return blocks * tensor_bytes + program;
}

double least_free_memory(const RankDevice& rank, Collectives& ranks) {
  const auto all = ranks.all_gather({free_memory(rank.device, rank.local_ranks)});
  return *std::min_element(all.begin(), all.end());
}

LayoutChoice fitting_layout(const std::string& model, const LayoutFreedom& freedom, double memory_bytes,
                            const std::function<double(int64_t, Recompute)>& needed_bytes) {
  const LayoutChoice choice = choose_layout(freedom, memory_bytes, needed_bytes);
  if (choice.fits) return choice;
  throw UserError(model + " does not fit: a rank needs " + gibibytes(choice.needed_bytes) + " with " +
                  spell(choice) + ", the least that may be chosen, and has " + gibibytes(memory_bytes) +
                  "; use more ranks that each have this much, or a smaller base_type" +
                  (freedom.shard_size > 0 ? ", or shard_size = auto" : ""));
}

void check_devices(const RunConfig& config, const RankPlace& place, int ranks) {
  if (ranks == 1) return;
  const std::string own = device_uuid(compute_device(place.local_rank));
  if (own.empty()) return;  // built for the CPU, so on every rank
  const std::vector<double> bytes =
      job_collectives(config, ranks)->all_gather(std::vector<double>(own.begin(), own.end()));
  std::vector<std::string> uuids;
  for (size_t first = 0; first < bytes.size(); first += own.size()) {
    std::string& uuid = uuids.emplace_back();
    for (size_t i = 0; i < own.size(); ++i) uuid += static_cast<char>(static_cast<int>(bytes[first + i]));
  }
  check_gpu_uuids(uuids);
}

void put_layout(RunConfig& config, const LayoutChoice& layout) {
  resolve_option(config, "shard_size", std::to_string(layout.shard_size));
  resolve_option(config, "recompute", word(layout.recompute));
}

std::string resolve_layout(RunConfig& config, const RankPlace& place, int ranks) {
  if (config.ranks.shard_size > 0 && config.ranks.recompute != Recompute::automatic) return "";
  const RankDevice rank = {compute_device(place.local_rank), place.local_ranks};
  const auto collectives = job_collectives(config, ranks);
  const double memory = least_free_memory(rank, *collectives);
  std::vector<double> decision;  // rank 0's
  LayoutChoice choice;
  if (collectives->group_rank() == 0) {
    choice = decide(config, place, rank, ranks, memory);
    decision = {static_cast<double>(choice.shard_size), choice.recompute == Recompute::always ? 1.0 : 0.0};
  }
  decision = collectives->all_gather(decision);
  choice.shard_size = static_cast<int64_t>(decision.at(0));
  choice.recompute = decision.at(1) == 1.0 ? Recompute::always : Recompute::never;
  put_layout(config, choice);
  if (choice.needed_bytes == 0 || (choice.shard_size == 1 && choice.recompute == Recompute::never)) return "";
  return spell(choice) + ": a rank needs " + gibibytes(choice.needed_bytes) + " and has " + gibibytes(memory);
}

JobSizer::JobSizer(const RankPlace& place, int ranks, double memory_bytes)
    : place_(place),
      ranks_(ranks),
      memory_bytes_(memory_bytes),
      sessions_({compute_device(place.local_rank), place.local_ranks}) {}

JobSize JobSizer::size_of(const RunConfig& config) {
  const JobNeeds needs(sessions_.session_for(config), place_, ranks_);
  return {needs.work().stages, needs.work().prompt,
          choose_layout(freedom_of(config, ranks_), memory_bytes_, std::cref(needs))};
}

}  // namespace apportion
