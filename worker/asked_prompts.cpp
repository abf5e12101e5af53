#include "worker/asked_prompts.h"

#include "shared/data/example.h"
#include "shared/data/question.h"
#include "shared/model/steering.h"
#include "worker/sample/mixture.h"

namespace apportion {

std::vector<AskedPrompt> asked_prompts(const Session& session, const std::string& test_set, Asking asking) {
  const DataConfig& data = session.config().data;
  const Dataset& dataset = session.dataset();
  const auto prompts = prompts_of(dataset, test_set, data.holdout_wordings, data.subjects);
  const auto subjects = subjects_of(dataset, test_set, data.subjects);
  const int wordings = static_cast<int>(prompts.size() / subjects.size());
  const auto rounds = rounds_per_wording(session.config().measure.rounds, wordings);
  std::vector<AskedPrompt> out;
  for (const Prompt& prompt : prompts) {
    const Subject& subject = subjects[static_cast<size_t>(prompt.subject)];
    MeasurePrompt whole;
    whole.subject = prompt.subject;
    whole.wording = prompt.wording;
    whole.steering_tokens =
        steering_tokens(session.chat(), prompt.text, dataset.categories.size(), session.config().steering);
    whole.rounds = rounds[static_cast<size_t>(prompt.wording)];
    whole.draw_key =
        dataset.name + '\n' + test_set + '\n' + subject.name + '\n' + std::to_string(prompt.wording) + '\n';
    AskedPrompt& asked = out.emplace_back();
    std::vector<std::vector<int32_t>> tokens;
    for (const Turn& turn : turns_of(prompt, subject, dataset.categories, asking)) {
      tokens.push_back(session.chat().encode_prompt(turn.text));
      asked.shares.push_back(turn.share);
    }
    asked.parts = split_prompt(whole, asked.shares, tokens, data.seed);
  }
  return out;
}

}  // namespace apportion
