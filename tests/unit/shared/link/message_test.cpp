// Every message survives encoding; bytes that are not a message of this version are refused.
#include "shared/link/message.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "shared/base/error.h"

namespace apportion {
namespace {

template <typename Kind>
Kind round_trip(const Kind& message) {
  return std::get<Kind>(decode(encode(message), 3));
}

std::string cbor(const nlohmann::json& json) {
  std::string bytes;
  nlohmann::json::to_cbor(json, bytes);
  return bytes;
}

nlohmann::json object_of(const Message& message) {
  std::string bytes = encode(message);
  return nlohmann::json::from_cbor(bytes.begin(), bytes.end());
}

TEST(Message, AssignKeepsItsTaskAndGroup) {
  Assign assign;
  assign.task.id = "ab12";
  assign.task.kind = TaskKind::calibrate;
  assign.task.label = "stage 2";
  assign.task.identity = nlohmann::json{{"options", {{"beta", "0.1"}}}, {"revision", 7}};
  assign.task.inputs = {"cd34", "ef56"};
  assign.group = {2, 0, 5};
  assign.group_tag = 9;
  assign.settings = {{"seed", "3"}, {"dataset", "caf\xc3"}};
  assign.input = {"A story.", "", "cut inside a character: \xc3"};
  Assign back = round_trip(assign);
  EXPECT_EQ(nlohmann::json(back.task), nlohmann::json(assign.task));
  EXPECT_EQ(back.group, assign.group);
  EXPECT_EQ(back.group_tag, 9);
  EXPECT_EQ(back.settings, assign.settings);
  EXPECT_EQ(back.input, assign.input);
}

TEST(Message, ProgressKeepsNumbersThatAreNone) {
  Progress progress;
  progress.task_id = "t";
  progress.stage = "stage 1";
  progress.step = int64_t{1} << 40;
  progress.loss = 0.1;
  progress.kl = std::numeric_limits<double>::quiet_NaN();
  progress.seconds_left = std::numeric_limits<double>::infinity();
  progress.retain = 0.02;
  Progress back = round_trip(progress);
  EXPECT_EQ(back.stage, "stage 1");
  EXPECT_EQ(back.step, int64_t{1} << 40);
  EXPECT_EQ(back.loss, 0.1);
  EXPECT_EQ(back.retain, 0.02);
  EXPECT_TRUE(std::isnan(back.kl));
  EXPECT_TRUE(std::isinf(back.seconds_left));
}

TEST(Message, HistogramKeepsEveryBitOfAPrompt) {
  PromptResult prompt;
  prompt.subject = 3;
  prompt.wording = 1;
  prompt.counts = {1, std::numeric_limits<uint64_t>::max(), 0};
  prompt.steering = {1.0 / 3, 1e-300};
  prompt.low = {0.25, 0.1};
  prompt.unexplored = std::nextafter(0.5, 1.0);
  prompt.draws_near_boundary = 4;
  prompt.no_story = 6;
  prompt.answers = {{-1, 7, -1.0 / 7, Finish::cut, std::string("\xff\0 half a rune", 13)},
                    {1, 2, -2, Finish::end, ""}};
  prompt.unlisted_answers = 3;
  prompt.unlisted = {0, 9, 2, 0, 1};
  Histogram back = round_trip(Histogram{"t", 5, {prompt, {}}});
  EXPECT_EQ(back.unit, 5);
  ASSERT_EQ(back.prompts.size(), 2u);
  const PromptResult& same = back.prompts[0];
  EXPECT_EQ(same.subject, 3);
  EXPECT_EQ(same.counts, prompt.counts);
  EXPECT_EQ(same.steering, prompt.steering);
  EXPECT_EQ(same.unexplored, prompt.unexplored);
  EXPECT_EQ(same.no_story, 6u);
  EXPECT_EQ(same.unlisted_answers, 3U);
  EXPECT_EQ(same.unlisted, prompt.unlisted);
  ASSERT_EQ(same.answers.size(), 2u);
  EXPECT_EQ(same.answers[0].category, -1);
  EXPECT_EQ(same.answers[0].log_prob, -1.0 / 7);
  EXPECT_EQ(same.answers[0].finish, Finish::cut);
  EXPECT_EQ(same.answers[0].text, prompt.answers[0].text);
}

TEST(Message, DoneKeepsTheLogColumnByColumn) {
  Done done;
  done.task_id = "t";
  done.micro_batches = 12;
  done.base_peak_bytes = int64_t{1} << 40;
  done.units = 3;
  done.threads = 2;
  done.compute_type = "bfloat16";
  done.adapter_digest = "d1";
  done.log.loss = {0.5, 0.25};
  done.log.seconds = {1.5};
  done.log.z_unclamped = {-0.125};
  done.verdicts = {1, -1, -3, 0};
  Done back = round_trip(done);
  EXPECT_EQ(back.micro_batches, 12);
  EXPECT_EQ(back.base_peak_bytes, int64_t{1} << 40);
  EXPECT_EQ(back.units, 3);
  EXPECT_EQ(back.log.loss, done.log.loss);
  EXPECT_EQ(back.verdicts, done.verdicts);
  EXPECT_EQ(back.log.seconds, done.log.seconds);
  EXPECT_EQ(back.log.z_unclamped, done.log.z_unclamped);
  EXPECT_TRUE(back.log.z.empty());
  EXPECT_EQ(back.adapter_digest, "d1");
}

TEST(Message, DoneKeepsWhatARankTimed) {
  Done done;
  done.sample = {{0.5, 0.25}, {0.125}, 800, 1e12, 4e11, 1024, 1536, 2048};
  const StepSample back = round_trip(done).sample;
  EXPECT_EQ(back.seconds, done.sample.seconds);
  EXPECT_EQ(back.resident_seconds, done.sample.resident_seconds);
  EXPECT_EQ(back.tokens, 800);
  EXPECT_EQ(back.flops, 1e12);
  EXPECT_EQ(back.peak_flops, 4e11);
  EXPECT_EQ(back.base_bytes, 1024);
  EXPECT_EQ(back.tensor_bytes, 1536);
  EXPECT_EQ(back.process_bytes, 2048);
}

TEST(Message, PausedAndStopKeepTheirNumbers) {
  const Paused paused = round_trip(Paused{"t", 37, 420});
  EXPECT_EQ(paused.task_id, "t");
  EXPECT_EQ(paused.done, 37);
  EXPECT_EQ(paused.all, 420);
  EXPECT_EQ(round_trip(Stop{85}).exit_code, 85);
  EXPECT_EQ(round_trip(Stop{}).exit_code, 0);
}

TEST(Message, NotesKeepTextAndWeight) {
  for (bool warning : {false, true}) {
    Note back = round_trip(Note{"t", "goes on from step 3", warning});
    EXPECT_EQ(back.task_id, "t");
    EXPECT_EQ(back.text, "goes on from step 3");
    EXPECT_EQ(back.warning, warning);
  }
  nlohmann::json number = object_of(Note{"t", "text", true});
  number["warning"] = 1;
  EXPECT_THROW(decode(cbor(number), 1), DataError);
}

TEST(Message, FailedHeartbeatAndStop) {
  Failed back = round_trip(Failed{"no room", 2, "t", true});
  EXPECT_TRUE(back.is_of_storage);
  EXPECT_EQ(back.reason, "no room");
  EXPECT_EQ(back.exit_code, 2);
  EXPECT_EQ(back.task_id, "t");
  round_trip(Heartbeat{});
  round_trip(Stop{});
}

TEST(Message, EveryTruncationIsRefused) {
  std::string bytes = encode(Failed{"no room", 2});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(decode(std::string_view(bytes).substr(0, size), 1), DataError) << size;
  }
}

TEST(Message, ChangedFieldsAreRefusedByName) {
  auto refusal = [](const nlohmann::json& json) -> std::string {
    try {
      decode(cbor(json), 4);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  };
  nlohmann::json good = object_of(Failed{"no room", 2});
  EXPECT_EQ(refusal(good), "");

  nlohmann::json other_version = good;
  other_version["version"] = 999;
  EXPECT_NE(refusal(other_version).find("message from rank 4"), std::string::npos);
  nlohmann::json unknown_kind = good;
  unknown_kind["kind"] = "greeting";
  EXPECT_NE(refusal(unknown_kind).find("greeting"), std::string::npos);
  nlohmann::json absent = good;
  absent.erase("reason");
  EXPECT_NE(refusal(absent).find("reason"), std::string::npos);
  for (const nlohmann::json& wrong :
       {nlohmann::json("2"), nlohmann::json(2.5), nlohmann::json(int64_t{1} << 40)}) {
    nlohmann::json other_type = good;
    other_type["exit_code"] = wrong;
    EXPECT_NE(refusal(other_type).find("exit_code"), std::string::npos) << wrong;
  }
  EXPECT_NE(refusal(nlohmann::json::array()), "");
}

/// Bytes that would exhaust the stack.
TEST(Message, ValuesThatLieTooDeepAreRefused) {
  nlohmann::json stop = object_of(Stop{});
  stop["more"] = nullptr;
  std::string bytes = cbor(stop);
  const size_t value = bytes.find(static_cast<char>(0xF6));
  ASSERT_NE(value, std::string::npos);
  EXPECT_NO_THROW(decode(std::string(bytes).insert(value, std::string(99, static_cast<char>(0x81))), 1));
  EXPECT_THROW(decode(bytes.insert(value, std::string(200'000, static_cast<char>(0x81))), 1), DataError);
}

}  // namespace
}  // namespace apportion
