#include "tests/support/worker/tiny_world.h"

#include <ATen/ATen.h>

#include <thread>

#include "shared/base/counter_rng.h"

namespace apportion::testing {

TinyWorld::TinyWorld(at::ScalarType compute_type, Head head, uint32_t layers, at::Device device, double cap) {
  const std::string file = folder_.path_of("tiny.gguf");
  TinyModel tiny;
  tiny.layers = layers;
  tiny.context_length = 512;
  tiny.scale = 0.2F;
  tiny.tied_embedding = head == Head::tied;
  write_tiny_gguf(file, tiny);
  files_ = open_model(file);
  tokenizer_ = std::make_unique<Tokenizer>(files_->tokenizer());
  chat_ = std::make_unique<ChatTemplate>(files_->tokenizer(), *tokenizer_);
  weights_ = std::make_unique<WeightSource>(files_->tensors());
  ModelShape shape = files_->shape();
  shape.attention_cap = shape.logits_cap = cap;
  model_ = std::make_unique<Llama>(*weights_, shape, compute_type, device);
  folder_.write("set/targets.csv",
                "subject,Male,Female,@role\nNurses,1,7,nurse\nCooks,2,3,cook\nPilots,9,1,pilot\n");
  folder_.write(
      "set/templates.txt",
      "[categories]\n0 = Male | man\n1 = Female | woman\n[answers]\n{category}\nThis is {category}.\n"
      "[train]\nWhat is {a_role}?\nWhat sex has {a_role}?\nThe {role}: who?\nName {a_role}.\n");
  dataset_ = parse_dataset(folder_.path_of("set"));
  prompts_ = train_prompts(dataset_, prompts_of(dataset_, "train", 0, 0), dataset_.subjects, *chat_, 1);
}

LoraConfig TinyWorld::lora() {
  LoraConfig config;
  config.rank = 4;
  config.alpha = 8;
  config.layers = 1;
  config.targets = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
  return config;
}

Adapter TinyWorld::random_adapter(uint64_t seed, double layers) const {
  LoraConfig config = lora();
  config.layers = layers;
  Adapter adapter(model_->shape(), config, seed, model_->device());
  CounterRng rng(seed, "random adapter");
  const at::Tensor random = at::empty({adapter.values().numel()}, at::kFloat);
  auto* values = random.data_ptr<float>();
  for (int64_t i = 0; i < random.numel(); ++i) values[i] = static_cast<float>(0.1 * rng.normal());
  adapter.values().copy_(random);
  adapter.refresh(model_->compute_type());
  return adapter;
}

void on_thread_ranks(int ranks, const std::function<void(Collectives& group)>& run) {
  auto group = make_threads_collectives(ranks, ranks, 20);
  std::vector<std::thread> threads;
  for (auto& rank : group) threads.emplace_back([&run, mine = rank.get()] { run(*mine); });
  for (std::thread& thread : threads) thread.join();
}

SftConfig muon_sft() {
  SftConfig sft;
  sft.optimizer = OptimizerKind::muon;
  sft.text_weight = 0.25;
  return sft;
}

OptimizerConfig short_warmup() {
  OptimizerConfig optimizer;
  optimizer.warmup_steps = 5;
  optimizer.schedule = LearningRateSchedule::cosine;
  return optimizer;
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

}  // namespace apportion::testing
