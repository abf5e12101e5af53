#include "shared/data/story_prompts.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/data/example.h"
#include "shared/data/text_file.h"

namespace apportion {

StoryWording story_wording(const std::string& line) {
  const size_t bar = line.find('|');
  ensure(bar != std::string::npos, "a line of [stories] has two halves");
  return {std::string(trim(line.substr(0, bar))), std::string(trim(line.substr(bar + 1)))};
}

std::vector<StoryPrompt> story_prompts(const Dataset& dataset, const DataConfig& data) {
  const auto lines = dataset.wordings.find("stories");
  if (lines == dataset.wordings.end()) {
    throw UserError("answers = self trains on stories, but " + dataset.path +
                    "/templates.txt has no section [stories]; add lines \"NEUTRAL | NAMED\" to one "
                    "(docs/datasets.md), or answers = dataset");
  }
  for (const auto& [set, wordings] : dataset.wordings) {
    for (const std::string& line : lines->second) {
      const std::string neutral = story_wording(line).neutral;
      if (std::find(wordings.begin(), wordings.end(), neutral) == wordings.end()) continue;
      throw UserError(dataset.path + "/templates.txt: the story wording \"" + neutral + "\" is one of [" +
                      set + "], too; what is tested, or answered in another way, cannot be trained on");
    }
  }
  const std::vector<Subject> subjects = subjects_of(dataset, "train", data.subjects);
  std::vector<StoryPrompt> prompts;
  for (size_t s = 0; s < subjects.size(); ++s) {
    for (size_t w = 0; w < lines->second.size(); ++w) {
      const StoryWording wording = story_wording(lines->second[w]);
      StoryPrompt& prompt = prompts.emplace_back();
      prompt = {static_cast<int>(s), static_cast<int>(w), fill_wording(wording.neutral, subjects[s]), {}};
      for (size_t category = 0; category < dataset.categories.size(); ++category)
        prompt.named.push_back(naming(dataset, subjects[s], category, wording.named));
    }
  }
  return prompts;
}

std::string digest_of(const std::vector<StoryPrompt>& prompts) {
  nlohmann::json content = nlohmann::json::array();
  for (const StoryPrompt& prompt : prompts) content.push_back({prompt.subject, prompt.neutral, prompt.named});
  return sha256(content.dump());
}

}  // namespace apportion
