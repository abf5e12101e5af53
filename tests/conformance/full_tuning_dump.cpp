// Writes the small job and, for a peer that trains the same, the rows of each step of its stage 1 as JSON:
// {"steps": [{"normalizer": N, "rows": [{"ids": [...], "prompt": tokens before the answer, "weight": W}]}]}.
// With sft_weights = token_mean a step's loss is -sum W log p(ids after the prompt) / N.
// Usage: full_tuning_dump DIRECTORY [MODEL]; the default MODEL is the small job's own.

#include <fstream>
#include <nlohmann/json.hpp>

#include "shared/data/target.h"
#include "shared/model_files/model_files.h"
#include "shared/tokens/chat_template.h"
#include "tests/support/small_job.h"
#include "worker/train/batch.h"

namespace apportion {
namespace {

nlohmann::json step_rows(const std::vector<TrainPrompt>& prompts, const std::vector<int>& batch) {
  double normalizer = 0;
  nlohmann::json rows = nlohmann::json::array();
  for (int member : batch) {
    const TrainPrompt& prompt = prompts[static_cast<size_t>(member)];
    for (const auto& answer : prompt.answers) {
      if (!answer.accepted) continue;
      std::vector<int32_t> ids = prompt.tokens;
      ids.insert(ids.end(), answer.tokens.begin(), answer.tokens.end());
      rows.push_back({{"ids", ids}, {"prompt", prompt.tokens.size()}, {"weight", answer.weight}});
      normalizer += answer.weight * static_cast<double>(answer.tokens.size());
    }
  }
  return {{"normalizer", normalizer}, {"rows", rows}};
}

void dump(const std::string& directory, const std::string& model) {
  write_small_job(directory);
  const RunConfig config = small_job(directory, directory + "/unused");
  const auto files = open_model(model.empty() ? config.data.model : model);
  const Tokenizer tokenizer(files->tokenizer());
  const ChatTemplate chat(files->tokenizer(), tokenizer);
  const Dataset dataset = load_dataset(config.data);
  const auto prompts = train_prompts(dataset, training_prompts(dataset, config.data),
                                     subjects_of(dataset, "train", 0), chat, config.data.seed);
  const BatchSchedule schedule(subjects_in(prompts), config.batch.batch_prompts,
                               2 * config.data.seed);  // stage 1's (train_task.cpp)
  nlohmann::json steps = nlohmann::json::array();
  for (int step = 0; step < config.sft.steps; ++step)
    steps.push_back(step_rows(prompts, schedule.batch(schedule.batch_of_step(step))));
  std::ofstream(directory + "/rows.json") << nlohmann::json{{"steps", steps}};
}

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 2;
  apportion::dump(argv[1], argc == 3 ? argv[2] : "");
  return 0;
}
