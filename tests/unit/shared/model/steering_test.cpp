// What stands for categories with a model. tests/conformance/families/steering_test.py tests tokenizers that
// join it to the text before.
#include "shared/model/steering.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/model_files/model_files.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

using testing::error_of;

class SteeringTest : public ::testing::Test {
 protected:
  SteeringTest() {
    write_small_job(folder_.path());
    config_ = small_job(folder_.path(), folder_.path_of("runs"));
  }

  testing::DatasetFolder folder_;
  RunConfig config_;
};

TEST_F(SteeringTest, AutoIsTheFirstKindThatFits) {
  EXPECT_EQ(resolve_steering(config_), "");
  resolve_option(config_, "steering", "auto");
  EXPECT_EQ(resolve_steering(config_), "steering = digit (auto): 0, 1 stand for the categories");
  EXPECT_EQ(config_.steering, Steering::digit);
  EXPECT_EQ(config_.value("steering"), "digit");
}

TEST_F(SteeringTest, TokensAreInTheOrderOfCategories) {
  const auto files = open_model(config_.data.model);
  const Tokenizer tokenizer(files->tokenizer());
  const ChatTemplate chat(files->tokenizer(), tokenizer);
  EXPECT_EQ(tokenizer.decode(steering_tokens(chat, "Who?", 10, Steering::digit)), "0123456789");
  EXPECT_EQ(tokenizer.decode(steering_tokens(chat, "Who?", 26, Steering::letter)),
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  EXPECT_TRUE(steering_tokens(chat, "Who?", 41, Steering::path).empty());
  EXPECT_EQ(error_of([&] { steering_tokens(chat, "Who?", 12, Steering::word); }),
            "steering = word: Name, Type, Value, Key, Code, ... (12 of them) are not one token each where "
            "this model's answers begin; letters (A, B, C, D, E, ... (12 of them)) are: use steering = "
            "letter, or auto, which takes what fits");
  EXPECT_EQ(steering_token(chat, "Who?", "A red"), -1);
}

}  // namespace
}  // namespace apportion
