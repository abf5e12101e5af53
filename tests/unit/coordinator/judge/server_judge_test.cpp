// A judge on a server, played here by a function: what it is asked, what it may answer, what is tried again.
#include "coordinator/judge/server_judge.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/measure/category.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::error_of;

HttpReply answer(const std::string& text) {
  return {200, nlohmann::json{{"choices", {{{"message", {{"content", text}}}}}}}.dump(), "", 0};
}

class ServerJudgeTest : public ::testing::Test {
 protected:
  ServerJudgeTest() {
    dataset_.categories = {{{"Male", "man"}}, {{"Female"}}};
    config_.name = "https://host/v1";
    config_.model = "some/model";
  }

  /// A judge whose server gives these replies one after another, repeating the last one forever.
  ServerJudge judge_with(std::deque<HttpReply> replies) {
    requests_.clear();
    waits_.clear();
    return {config_,
            "secret",
            dataset_,
            directory_.path() + "/judgements/x.jsonl",
            {[this, replies](const HttpRequest& request) mutable {
               requests_.push_back(request);
               HttpReply reply = replies.front();
               if (replies.size() > 1) replies.pop_front();
               return reply;
             },
             [this](double seconds) { waits_.push_back(seconds); }}};
  }
  int judged(const HttpReply& reply, const std::string& story = "A story.") {
    return judge_with({reply}).judge(story);
  }

  TemporaryDirectory directory_;
  Dataset dataset_;
  JudgeConfig config_;
  std::vector<HttpRequest> requests_;
  std::vector<double> waits_;
};

TEST_F(ServerJudgeTest, AsksOnceAtTemperatureZero) {
  EXPECT_EQ(judged(answer("Female"), "Once \xFF upon a time"), 1);
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].url, "https://host/v1/chat/completions");
  EXPECT_EQ(requests_[0].key, "secret");
  EXPECT_EQ(requests_[0].timeout_s, 30);
  const nlohmann::json request = nlohmann::json::parse(requests_[0].json);
  EXPECT_EQ(request.at("model"), "some/model");
  EXPECT_EQ(request.at("temperature"), 0);
  const std::string text = request.at("messages").at(0).at("content");
  EXPECT_NE(text.find("Once \xEF\xBF\xBD upon a time"), std::string::npos);
  EXPECT_NE(text.find("Male, Female"), std::string::npos);
  EXPECT_EQ(requests_[0].json.find("secret"), std::string::npos);
}

TEST_F(ServerJudgeTest, OnlyNamesAndNoneAreAllowed) {
  EXPECT_EQ(judged(answer(" male.\n"), "1"), 0);
  EXPECT_EQ(judged(answer("\"Female\""), "2"), 1);
  EXPECT_EQ(judged(answer("None"), "3"), unparsed);
  for (const char* wrong : {"man", "Male or Female", "The answer is Male", "", "0"}) {
    EXPECT_EQ(judged(answer(wrong), wrong), judge_failed) << wrong;
    EXPECT_EQ(requests_.size(), 5u);
  }
  for (const char* garbage :
       {"", "<html>", "{}", "[]", "{\"choices\": []}", "{\"choices\": [{\"message\": 3}]}"}) {
    EXPECT_EQ(judged({200, garbage, "", 0}, "garbage"), judge_failed) << garbage;
  }
}

TEST_F(ServerJudgeTest, AsksAgainAfterLongerAndLongerWaits) {
  EXPECT_EQ(
      judge_with({{0, "", "Timeout was reached", 0}, {500, "", "", 0}, {429, "", "", 7}, answer("Male")})
          .judge("x"),
      0);
  EXPECT_EQ(waits_, (std::vector<double>{0.25, 0.5, 7}));
  EXPECT_EQ(judged({503, "", "", 3600}, "y"), judge_failed);
  EXPECT_EQ(waits_, (std::vector<double>{60, 60, 60, 60}));
  EXPECT_EQ(judged({400, "", "", 0}, "z"), judge_failed) << "what the server refuses it will refuse again";
  EXPECT_TRUE(waits_.empty());
}

TEST_F(ServerJudgeTest, WhatWasJudgedIsNotAskedAgain) {
  EXPECT_EQ(judged(answer("Male"), "one"), 0);
  EXPECT_EQ(judged(answer("Female"), "one"), 0);
  EXPECT_TRUE(requests_.empty());
  EXPECT_EQ(judged({500, "", "", 0}, "two"), judge_failed);
  EXPECT_EQ(judged(answer("none"), "two"), unparsed) << "a failure is not kept";
  config_.model = "another";
  EXPECT_EQ(judged(answer("Female"), "one"), 1);
  const std::string kept = read_file(directory_.path() + "/judgements/x.jsonl");
  EXPECT_EQ(kept.find("secret"), std::string::npos);
  // As left by a run that ended while writing.
  write_file(directory_.path() + "/judgements/x.jsonl", kept + "{\"question\": \"ab");
  EXPECT_EQ(judged(answer("Male"), "three"), 0);
  EXPECT_EQ(judged(answer("Female"), "three"), 0);
}

TEST_F(ServerJudgeTest, EndsWhereNoQuestionWouldBeAnswered) {
  for (long status : {401L, 403L, 404L}) {
    const std::string error = error_of([&] { judged({status, "your key secret", "", 0}); });
    EXPECT_EQ(error,
              "https://host/v1/chat/completions: the judge answers with HTTP status " +
                  std::to_string(status) +
                  "; is its address right, does it know some/model, and is the key in judge_key_file or "
                  "APPORTION_JUDGE_KEY a valid one?");
  }
  ServerJudge judge = judge_with({{0, "", "Couldn't connect to server", 0}});
  for (int story = 1; story < ServerJudge::most_failures; ++story) {
    EXPECT_EQ(judge.judge(std::to_string(story)), judge_failed);
  }
  EXPECT_EQ(error_of([&] { judge.judge("last"); }),
            "https://host/v1/chat/completions: 8 judgements in a row have failed, the last with Couldn't "
            "connect to "
            "server; what was judged is kept, and the same command goes on from there");
}

TEST_F(ServerJudgeTest, TheKeyIsAFilesOrTheEnvironments) {
  const std::string file = directory_.path() + "/key";
  ::setenv("APPORTION_JUDGE_KEY", "of-the-environment", 1);
  EXPECT_EQ(judge_key(config_), "of-the-environment");
  config_.key_file = file;
  write_file(file, " of-the-file\n");
  EXPECT_EQ(judge_key(config_), "of-the-file");
  write_file(file, "\n");
  EXPECT_EQ(error_of([&] { judge_key(config_); }),
            file + ": there is no key in it; it must hold the key for the judge's server and nothing else");
  write_file(file, "two words");
  EXPECT_EQ(error_of([&] { judge_key(config_); }),
            file + ": a key is one word of ASCII characters, and this is not");
  ::unsetenv("APPORTION_JUDGE_KEY");
  config_.key_file.clear();
  EXPECT_EQ(judge_key(config_), "");
}

TEST_F(ServerJudgeTest, ItsIdentityNamesServerAndModel) {
  const nlohmann::json identity = ServerJudge::identity(config_);
  EXPECT_EQ(identity.at("name"), "some-model");
  config_.timeout_s = 1;
  config_.key_file = "elsewhere";
  EXPECT_EQ(ServerJudge::identity(config_), identity);
  config_.name = "http://another/v1";
  EXPECT_NE(ServerJudge::identity(config_), identity);
}

}  // namespace
}  // namespace apportion
