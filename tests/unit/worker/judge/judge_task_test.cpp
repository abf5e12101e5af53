// A model run here as judge gives the most probable of the allowed answers, as computed by the plainest
// llama.
#include "worker/judge/judge_task.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

#include "shared/architecture/block.h"
#include "shared/measure/category.h"
#include "shared/measure/judge_question.h"
#include "tests/support/worker/plain_llama.h"
#include "tests/support/worker/tiny_world.h"

namespace apportion {
namespace {

using testing::TinyWorld;

/// One token each, so that length does not matter.
const std::vector<std::string> names = {"q", "x", "y", "z", "w", "k", "j", "v"};

std::vector<std::string> some_stories() {
  std::vector<std::string> stories;
  for (const char* of :
       {"a cat", "a man", "dogs", "Count the cats", "What is red?", "is a dog a cat", "women"}) {
    stories.push_back(std::string("See: ") + of);
    stories.push_back(std::string(of) + " and " + of);
    stories.push_back(std::string("It was ") + of + ".");
  }
  return stories;  // more than two units
}

std::vector<int> judged_by(const TinyWorld& world, const std::vector<std::string>& stories,
                           Collectives& group) {
  return verdicts_of(world.model(), world.chat(), names, stories, group, [](size_t, size_t) {});
}

/// The verdict from one whole sequence after another, under a mask.
int plain_verdict(const TinyWorld& world, const std::string& story) {
  testing::PlainWeights weights;
  for (const auto& [name, sizes] : tensors_of(world.model().shape()))
    weights[name] = world.weights().whole(name);
  double most = -1e300;
  int chosen = unparsed;
  for (size_t i = 0; i <= names.size(); ++i) {
    const std::string answer = i < names.size() ? names[i] : judge_says_none;
    const EncodedTurn turn = world.chat().encode_turn(judge_question(story, names), answer);
    std::vector<int64_t> ids(turn.prompt.begin(), turn.prompt.end());
    ids.insert(ids.end(), turn.answer.begin(), turn.answer.end());
    const at::Tensor log_prob_TV =
        testing::plain_log_probs(weights, world.model().shape(), at::tensor(ids, at::kLong));
    double log_prob = 0;
    for (size_t k = 0; k < turn.answer.size(); ++k) {
      log_prob +=
          log_prob_TV[static_cast<int64_t>(turn.prompt.size() + k) - 1][turn.answer[k]].item<double>();
    }
    if (log_prob <= most) continue;
    most = log_prob;
    chosen = i < names.size() ? static_cast<int>(i) : unparsed;
  }
  return chosen;
}

TEST(JudgeTask, TakesTheMostProbableOfTheAllowedAnswers) {
  const TinyWorld world;
  const auto alone = make_local_collectives();
  const std::vector<std::string> stories = some_stories();
  const std::vector<int> verdicts = judged_by(world, stories, *alone);
  ASSERT_EQ(verdicts.size(), stories.size());
  for (size_t i = 0; i < stories.size(); i += 3)
    EXPECT_EQ(verdicts[i], plain_verdict(world, stories[i])) << i;
  EXPECT_GT(std::set<int>(verdicts.begin(), verdicts.end()).size(), 1u) << "every story has one verdict";
}

TEST(JudgeTask, AQuestionLongerThanTheContextHasFailed) {
  const TinyWorld world;
  const auto alone = make_local_collectives();
  std::string endless;
  while (static_cast<int64_t>(world.chat().encode_prompt(endless).size()) <=
         world.model().shape().context_length)
    endless += "a cat is red and a dog is red and ";
  std::vector<std::string> stories = some_stories();
  const std::vector<int> without = judged_by(world, stories, *alone);
  stories.insert(stories.begin() + 3, endless);
  const std::vector<int> verdicts = judged_by(world, stories, *alone);
  EXPECT_EQ(verdicts[3], judge_failed);
  EXPECT_EQ(verdicts[2], without[2]);
  EXPECT_EQ(verdicts[4], without[3]);
  EXPECT_EQ(judged_by(world, {endless}, *alone), std::vector<int>{judge_failed});
  EXPECT_TRUE(judged_by(world, {}, *alone).empty());
}

TEST(JudgeTask, AnyNumberOfRanksSaysTheSame) {
  const TinyWorld world;
  const auto alone = make_local_collectives();
  const std::vector<int> one = judged_by(world, some_stories(), *alone);
  for (int ranks : {2, 3, 4}) {
    testing::on_thread_ranks(
        ranks, [&](Collectives& group) { EXPECT_EQ(judged_by(world, some_stories(), group), one) << ranks; });
  }
}

}  // namespace
}  // namespace apportion
