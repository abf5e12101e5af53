// Writes the rows of a job's first training batch as JSON: each prompt's user turn, its text as the tokenizer
// sees it, and its weighted answers. tests/bench/rows.json is this program's output. Usage: rows_dump
// [DATASET]

#include <cstdio>
#include <nlohmann/json.hpp>

#include "shared/data/example.h"
#include "worker/device.h"
#include "worker/session.h"
#include "worker/train/batch.h"

int main(int argc, char** argv) {
  using namespace apportion;
  RunConfig config;
  if (argc > 1) config.data.dataset = argv[1];
  const Session session(config, compute_device(0), 1);
  const Dataset& dataset = session.dataset();
  const auto prompts = prompts_of(dataset, "train", config.data.holdout_wordings, 0);
  const auto subjects = subjects_of(dataset, "train", 0);
  const BatchSchedule schedule(static_cast<int>(prompts.size()), config.batch.batch_prompts,
                               config.data.seed);
  nlohmann::ordered_json rows = {{"dataset", config.data.dataset},
                                 {"prompts", nlohmann::ordered_json::array()}};
  for (int member : schedule.batch(schedule.batch_of_step(0))) {
    const Prompt& prompt = prompts[static_cast<size_t>(member)];
    const Subject& subject = subjects[static_cast<size_t>(prompt.subject)];
    nlohmann::ordered_json entry = {{"user", prompt.text},
                                    {"prompt", session.chat().render_prompt(prompt.text)},
                                    {"target", subject.target},
                                    {"answers", nlohmann::ordered_json::array()}};
    auto add = [&](const std::vector<Answer>& answers) {
      for (const Answer& answer : answers)
        entry["answers"].push_back(
            {{"text", answer.text}, {"weight", answer.weight}, {"accepted", answer.accepted()}});
    };
    add(accepted_answers(dataset, subject));
    add(rejected_answers(dataset, subject, config.data.seed, prompt.wording));
    rows["prompts"].push_back(std::move(entry));
  }
  std::printf("%s\n", rows.dump(1).c_str());
  return 0;
}
