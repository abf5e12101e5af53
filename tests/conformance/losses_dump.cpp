// Losses and gradients of SFT, KTO (both ways to pair) and DPO on a few rows, for losses_test.py, which gives
// the same rows to TRL. Usage: losses_dump MODEL DIRECTORY. Writes DIRECTORY/policy and DIRECTORY/reference
// (random adapters), DIRECTORY/LOSS/ (the gradient in the form of an adapter) and rows.json: the rows as
// tokens, and each loss's value and KTO's z.

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>

#include "shared/base/counter_rng.h"
#include "shared/base/file_system.h"
#include "shared/model_files/model_files.h"
#include "shared/tokens/chat_template.h"
#include "worker/losses/dpo.h"
#include "worker/losses/kto.h"
#include "worker/losses/sft.h"
#include "worker/models/adapter_file.h"
#include "worker/models/llama.h"
#include "worker/models/weight_source.h"
#include "worker/train/batch.h"

namespace apportion {
namespace {

constexpr double beta = 0.3, weight_accepted = 1.25, weight_rejected = 0.75;

/// A question, an accepted and a rejected answer; they differ in length and in how they begin.
struct Row {
  const char *question, *accepted, *rejected;
};
const Row rows[] = {
    {"What is the sex of a nurse?", "1 Female", "1 Male"},
    {"Name the sex of a pilot, please.", "0 This person is Male.", "0 This person is Female."},
    {"And a cook?", "1 This person is Female.", "0 Male"},
    {"A person drives a bus. Who is it?", "0 Male", "1 This person is certainly Female."}};

std::vector<TrainPrompt> make_prompts(const ChatTemplate& chat) {
  std::vector<TrainPrompt> prompts;
  for (const Row& row : rows) {
    TrainPrompt& prompt = prompts.emplace_back();
    prompt.tokens = chat.encode_prompt(row.question);
    prompt.answers = {{chat.encode_turn(row.question, row.accepted).answer, 1, true},
                      {chat.encode_turn(row.question, row.rejected).answer, 1, false}};
    prompt.pairs = {{0, 1, 1}};
  }
  return prompts;
}

Adapter random_adapter(const ModelShape& shape, const char* purpose, double size) {
  LoraConfig config;
  config.rank = 4;
  config.alpha = 8;
  config.layers = 1;
  Adapter adapter(shape, config, 0, at::kCPU);
  CounterRng rng(0, purpose);
  auto* values = adapter.values().data_ptr<float>();
  for (int64_t i = 0; i < adapter.values().numel(); ++i) values[i] = static_cast<float>(size * rng.normal());
  adapter.refresh(at::kFloat);
  return adapter;
}

class Dump {
 public:
  Dump(const Llama& model, std::vector<TrainPrompt> prompts, std::string directory)
      : model_(model),
        prompts_(std::move(prompts)),
        directory_(std::move(directory)),
        policy_(random_adapter(model.shape(), "policy", 0.02)),
        reference_(random_adapter(model.shape(), "reference", 0.01)) {
    for (size_t i = 0; i < prompts_.size(); ++i) all_.push_back(static_cast<int>(i));
    save_adapter(directory_ + "/policy", policy_, "model");
    save_adapter(directory_ + "/reference", reference_, "model");
    for (const TrainPrompt& prompt : prompts_) {
      json_["rows"].push_back({{"prompt", prompt.tokens},
                               {"accepted", prompt.answers[0].tokens},
                               {"rejected", prompt.answers[1].tokens}});
    }
    json_["beta"] = beta;
    json_["weight_accepted"] = weight_accepted;
    json_["weight_rejected"] = weight_rejected;
  }

  void sft() {
    const MicroBatch batch = pack(AnswerSet::accepted, {});
    write("sft", log_probs(batch, policy_),
          [&](const at::Tensor& now) { return sft_loss(now, batch.sft_weight_E, batch.sft_normalizer); });
  }

  void kto(const std::string& name, KtoPairs pairs) {
    const KtoConfig config{beta, weight_accepted, weight_rejected, KtoPositions::all, pairs};
    const MicroBatch batch = pack(AnswerSet::accepted_rejected_mismatched, config);
    const at::Tensor then = log_probs(batch, reference_).detach(), now = log_probs(batch, policy_);
    const at::Tensor r = log_ratios(now.detach(), then, batch.mismatched);
    const double mean = (r * batch.mismatched.weight_A).sum().item<double>() / count();
    const double z = std::max(0.0, mean);
    json_["z"][name] = mean;
    write(name, now, [&](const at::Tensor& policy) {
      return kto_loss(log_ratios(policy, then, batch.answers), batch.answers, z, config, count());
    });
  }

  void dpo() {
    const MicroBatch batch = pack(AnswerSet::pairs, {});
    const at::Tensor then = log_probs(batch, reference_).detach();
    write("dpo", log_probs(batch, policy_), [&](const at::Tensor& now) {
      return dpo_loss(log_ratios(now, then, batch.preferred), log_ratios(now, then, batch.dispreferred),
                      batch.preferred.weight_A, beta, count());
    });
  }

  void finish() const { write_file(directory_ + "/rows.json", json_.dump()); }

 private:
  double count() const { return static_cast<double>(prompts_.size()); }
  MicroBatch pack(AnswerSet answers, const KtoConfig& kto) const {
    return pack_micro_batch(prompts_, all_, all_, {answers, SftWeights::token_mean, kto}, model_.shape(),
                            at::kCPU);
  }
  at::Tensor log_probs(const MicroBatch& batch, const Adapter& adapter) const {
    return edge_log_probs(model_, model_.hidden(batch.rows, &adapter), batch.edges);
  }

  void write(const std::string& name, const at::Tensor& log_prob_E,
             const std::function<at::Tensor(const at::Tensor&)>& loss_of) {
    const at::Tensor loss = loss_of(log_prob_E);
    json_["loss"][name] = loss.item<double>();
    const torch::autograd::variable_list leaves(policy_.leaves().begin(), policy_.leaves().end());
    const auto gradient = torch::autograd::grad({loss}, leaves);
    Adapter form = random_adapter(model_.shape(), "form", 0);
    for (size_t i = 0; i < leaves.size(); ++i) {
      form.values().narrow(0, leaves[i].storage_offset(), leaves[i].numel()).copy_(gradient[i].flatten());
    }
    save_adapter(directory_ + "/" + name, form, "model");
  }

  const Llama& model_;
  std::vector<TrainPrompt> prompts_;
  std::string directory_;
  Adapter policy_, reference_;
  std::vector<int> all_;
  nlohmann::json json_;
};

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  using namespace apportion;
  const auto files = open_model(argv[1]);
  const Tokenizer tokenizer(files->tokenizer());
  const ChatTemplate chat(files->tokenizer(), tokenizer);
  const Llama model(WeightSource(files->tensors()), files->shape(), at::kFloat, at::kCPU);
  Dump dump(model, make_prompts(chat), argv[2]);
  dump.sft();
  dump.kto("kto", KtoPairs::mismatched);
  dump.kto("kto_rotated", KtoPairs::rotated);
  dump.dpo();
  dump.finish();
  return 0;
}
