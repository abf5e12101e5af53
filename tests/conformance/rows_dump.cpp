// Writes prompts as JSON: each prompt's user turn, its text as the tokenizer sees it, and its weighted
// answers. They are a job's first training batch (tests/bench/rows.json) or, with SET, the whole set (train,
// v2, ...). Usage: rows_dump [DATASET [SET]]

#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>

#include "shared/data/example.h"
#include "worker/device.h"
#include "worker/session.h"
#include "worker/train/batch.h"

namespace apportion {
namespace {

std::vector<int> first_batch(const RunConfig& config, const std::vector<Prompt>& prompts) {
  const BatchSchedule schedule(subjects_in(prompts), config.batch.batch_prompts, config.data.seed);
  return schedule.batch(schedule.batch_of_step(0));
}

std::vector<int> all(int prompts) {
  std::vector<int> members(static_cast<size_t>(prompts));
  std::iota(members.begin(), members.end(), 0);
  return members;
}

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  using namespace apportion;
  RunConfig config;
  if (argc > 1) config.data.dataset = argv[1];
  const Session session(config, compute_device(0), 1);
  const Dataset& dataset = session.dataset();
  const std::string set = argc > 2 ? argv[2] : "train";
  const auto prompts = prompts_of(dataset, set, config.data.holdout_wordings, 0);
  const auto subjects = subjects_of(dataset, set, 0);
  const int count = static_cast<int>(prompts.size());
  nlohmann::ordered_json rows = {{"dataset", config.data.dataset},
                                 {"prompts", nlohmann::ordered_json::array()}};
  for (int member : argc > 2 ? all(count) : first_batch(config, prompts)) {
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
