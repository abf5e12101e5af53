// Result files: what is written is read back, equal data gives equal bytes, and damage is noticed.
#include "shared/store/task_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "shared/base/counter_rng.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/hdf5_file.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

MeasureFile small_measure() {
  SampleSet set = sample_gender_set("v2");
  set.subjects.resize(3);
  set.target.resize(3);
  return sample_measure(set, {0.05, 0.3, 0.2, 0.9, 0.7}, {});
}

// Without a flush to disk: thousands of damaged files are written here.
void write_quickly(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void expect_equal(const PromptResult& a, const PromptResult& b) {
  EXPECT_EQ(a.subject, b.subject);
  EXPECT_EQ(a.wording, b.wording);
  EXPECT_EQ(a.counts, b.counts);
  EXPECT_EQ(a.steering, b.steering);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.unexplored, b.unexplored);
  EXPECT_EQ(a.draws_near_boundary, b.draws_near_boundary);
  EXPECT_EQ(a.no_story, b.no_story);
  EXPECT_EQ(a.unlisted, b.unlisted);
  EXPECT_EQ(a.unlisted_answers, b.unlisted_answers);
  ASSERT_EQ(a.answers.size(), b.answers.size());
  for (size_t i = 0; i < a.answers.size(); ++i) {
    EXPECT_EQ(a.answers[i].category, b.answers[i].category);
    EXPECT_EQ(a.answers[i].count, b.answers[i].count);
    EXPECT_EQ(a.answers[i].log_prob, b.answers[i].log_prob);
    EXPECT_EQ(a.answers[i].finish, b.answers[i].finish);
    EXPECT_EQ(a.answers[i].text, b.answers[i].text);
  }
}

void expect_equal(const MeasureFile& a, const MeasureFile& b) {
  EXPECT_EQ(nlohmann::json(a.record.task), nlohmann::json(b.record.task));
  EXPECT_EQ(a.record.config, b.record.config);
  EXPECT_EQ(a.record.about, b.record.about);
  EXPECT_EQ(a.tables.subjects, b.tables.subjects);
  EXPECT_EQ(a.tables.categories, b.tables.categories);
  EXPECT_EQ(a.tables.prompts, b.tables.prompts);
  EXPECT_EQ(a.tables.target, b.tables.target);
  ASSERT_EQ(a.result.prompts.size(), b.result.prompts.size());
  for (size_t i = 0; i < a.result.prompts.size(); ++i) expect_equal(a.result.prompts[i], b.result.prompts[i]);
}

class TaskFile : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
  TemporaryDirectory directory_;
};

TEST_F(TaskFile, MeasureComesBackEqual) {
  MeasureFile file = small_measure();
  file.result.prompts[4].draws_near_boundary = 3;
  write_measure_file(path("a.h5"), file);
  expect_equal(file, read_measure_file(path("a.h5")));
}

TEST_F(TaskFile, TrainingComesBackEqual) {
  TrainFile file = sample_training("calibrate", "gender-us-real", {"0123"});
  write_train_file(path("a.h5"), file);
  TrainFile read = read_train_file(path("a.h5"));
  EXPECT_EQ(read.log.loss, file.log.loss);
  EXPECT_EQ(read.log.seconds, file.log.seconds);
  EXPECT_EQ(read.adapter_digest, file.adapter_digest);
  EXPECT_EQ(read.record.task.inputs, file.record.task.inputs);
  EXPECT_EQ(read_task_record(path("a.h5")).task.label, "stage 2");
}

TEST_F(TaskFile, TrainingColumnsWithoutAValueStayNan) {
  write_train_file(path("a.h5"), sample_training("sft", "gender-us-real", {}));
  for (double value : read_train_file(path("a.h5")).log.kto) EXPECT_TRUE(std::isnan(value));
}

TEST_F(TaskFile, ScaleSamplesComeBackByRank) {
  ScaleFile file;
  file.record.task = sample_task("scale", "350m, ranks 2", "", {}, "");
  file.samples = {{{0.5, 0.25, 0.75}, {}, 800, 1e12, 4e11, 1024, 1536, 2048},
                  {{1.5, 1.25, 1.75}, {}, 800, 1e12, 3e11, 512, 768, 1024}};
  write_scale_file(path("s.h5"), file);
  const ScaleFile read = read_scale_file(path("s.h5"));
  ASSERT_EQ(read.samples.size(), 2u);
  EXPECT_EQ(read.samples[1].seconds, file.samples[1].seconds);
  EXPECT_TRUE(read.samples[1].resident_seconds.empty());
  EXPECT_EQ(read.samples[0].peak_flops, 4e11);
  EXPECT_EQ(read.samples[1].process_bytes, 1024);
  EXPECT_THROW(read_train_file(path("s.h5")), DataError);
  file.samples[0].seconds[1] = file.samples[1].base_bytes = 9;  // timings and sizes are not content
  write_scale_file(path("t.h5"), file);
  EXPECT_EQ(Hdf5Reader(path("s.h5")).text("/", "content"), Hdf5Reader(path("t.h5")).text("/", "content"));
  file.samples[0].tokens = 9;
  write_scale_file(path("t.h5"), file);
  EXPECT_NE(Hdf5Reader(path("s.h5")).text("/", "content"), Hdf5Reader(path("t.h5")).text("/", "content"));
}

TEST_F(TaskFile, UnknownTargetsAndAbsentExactShares) {
  MeasureFile file = small_measure();
  file.tables.target[1].clear();
  for (PromptResult& prompt : file.result.prompts) {
    prompt.low.clear();
    prompt.steering.clear();
    prompt.unexplored = 1;
  }
  write_measure_file(path("a.h5"), file);
  MeasureFile read = read_measure_file(path("a.h5"));
  EXPECT_TRUE(std::isnan(read.tables.target[1][0]));
  EXPECT_EQ(read.result.prompts[0].low, std::vector<double>(2, 0.0));
  EXPECT_FALSE(metrics_of(read).subjects[1].mae.has_value());
  EXPECT_TRUE(metrics_of(read).subjects[0].mae.has_value());
}

TEST_F(TaskFile, TextThatNoStringHoldsIsReplaced) {
  MeasureFile file = small_measure();
  file.result.prompts[0].answers[0].text = std::string("a\0b\xFFz", 5);
  write_measure_file(path("a.h5"), file);
  EXPECT_EQ(read_measure_file(path("a.h5")).result.prompts[0].answers[0].text, "a\uFFFDb\uFFFDz");
}

TEST_F(TaskFile, NoRoundsMakeNoAnswers) {
  MeasureFile file = small_measure();
  for (PromptResult& prompt : file.result.prompts) {
    prompt.counts.assign(4, 0);
    prompt.answers.clear();
  }
  write_measure_file(path("a.h5"), file);
  expect_equal(file, read_measure_file(path("a.h5")));
}

TEST_F(TaskFile, RoundsWhoseAnswersAreNotListedAreCounted) {
  MeasureFile file = small_measure();
  write_measure_file(path("all.h5"), file);
  const std::vector<std::string> usual = Hdf5Reader(path("all.h5")).links("/rounds");
  EXPECT_EQ(usual, (std::vector<std::string>{"counts", "near_boundary"}));
  PromptResult& prompt = file.result.prompts[1];
  keep_most_frequent(prompt, 1, false);
  ASSERT_EQ(prompt.answers.size(), 1U);
  ASSERT_GT(prompt.unlisted_answers, 0U);
  write_measure_file(path("a.h5"), file);
  expect_equal(file, read_measure_file(path("a.h5")));
  EXPECT_NE(Hdf5Reader(path("a.h5")).text("/", "content"), Hdf5Reader(path("all.h5")).text("/", "content"));
  EXPECT_EQ(Hdf5Reader(path("all.h5")).integer("/", "version"), 1);
  EXPECT_EQ(Hdf5Reader(path("a.h5")).integer("/", "version"), 3);
  prompt.unlisted[0] += 1;
  EXPECT_THROW(write_measure_file(path("a.h5"), file), InternalError) << "rounds that were not counted";
}

TEST_F(TaskFile, ManyChunksComeBackEqual) {
  MeasureFile file = small_measure();
  PromptResult& prompt = file.result.prompts[2];
  for (int i = 0; i < 100000; ++i)
    prompt.answers.push_back({1, 1, -9.5, Finish::end, "1 " + std::to_string(i)});
  prompt.counts[1] += 100000;
  write_measure_file(path("a.h5"), file);
  expect_equal(file, read_measure_file(path("a.h5")));
}

TEST_F(TaskFile, EqualDataGivesEqualBytes) {
  MeasureFile file = small_measure();
  write_measure_file(path("a.h5"), file);
  // Write something else in between, so that reused memory holds different bytes.
  write_train_file(path("t.h5"), sample_training("sft", "gender-us-real", {}));
  write_measure_file(path("b.h5"), file);
  EXPECT_EQ(read_file(path("a.h5")), read_file(path("b.h5")));
}

TEST_F(TaskFile, ContentIgnoresAboutConfigAndSeconds) {
  MeasureFile file = small_measure();
  write_measure_file(path("a.h5"), file);
  file.record.about = {{"host", "another-node"}};
  file.record.config.push_back({"threads", "8"});
  write_measure_file(path("b.h5"), file);
  EXPECT_EQ(Hdf5Reader(path("a.h5")).text("/", "content"), Hdf5Reader(path("b.h5")).text("/", "content"));
  file.result.prompts[0].low[0] += 1e-12;
  write_measure_file(path("c.h5"), file);
  EXPECT_NE(Hdf5Reader(path("a.h5")).text("/", "content"), Hdf5Reader(path("c.h5")).text("/", "content"));

  TrainFile train = sample_training("sft", "gender-us-real", {});
  write_train_file(path("t.h5"), train);
  train.log.seconds[3] = 99;
  write_train_file(path("u.h5"), train);
  EXPECT_EQ(Hdf5Reader(path("t.h5")).text("/", "content"), Hdf5Reader(path("u.h5")).text("/", "content"));
}

TEST_F(TaskFile, LeavesNoTemporaryFile) {
  write_measure_file(path("deep/er/a.h5"), small_measure());
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path("deep/er"))) {
    EXPECT_EQ(entry.path().filename(), "a.h5");
    ++files;
  }
  EXPECT_EQ(files, 1);
}

TEST_F(TaskFile, EveryFlippedByteIsNoticed) {
  write_measure_file(path("a.h5"), small_measure());
  const std::string bytes = read_file(path("a.h5"));
  CounterRng rng(1, "flips");
  for (int i = 0; i < 800; ++i) {
    // Each byte of the seal, then random ones.
    std::string damaged = bytes;
    size_t at = i < 540 ? static_cast<size_t>(i) : rng.below(bytes.size());
    damaged[at] = static_cast<char>(damaged[at] ^ static_cast<char>(1 + rng.below(255)));
    write_quickly(path("b.h5"), damaged);
    EXPECT_THROW(read_measure_file(path("b.h5")), DataError) << "byte " << at;
  }
}

TEST_F(TaskFile, EveryTruncationIsNoticed) {
  write_measure_file(path("a.h5"), small_measure());
  const std::string bytes = read_file(path("a.h5"));
  CounterRng rng(1, "cuts");
  for (int i = 0; i < 200; ++i) {
    size_t size = i < 140 ? static_cast<size_t>(i) * 4 : rng.below(bytes.size());
    write_quickly(path("b.h5"), bytes.substr(0, size));
    EXPECT_THROW(read_measure_file(path("b.h5")), DataError) << "size " << size;
  }
  write_quickly(path("b.h5"), bytes + "x");
  EXPECT_THROW(read_measure_file(path("b.h5")), DataError);
}

// Writes a file with `change` and expects the reader to fail with `message`.
template <typename Change>
void expect_refused(const std::string& path, Change change, const std::string& message) {
  Hdf5Writer writer(path);
  change(writer);
  writer.commit();
  try {
    read_measure_file(path);
    FAIL() << "read without an error";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

MeasureFile small_stories() {
  SampleSet set = sample_gender_set("v3");
  set.subjects.resize(3);
  set.target.resize(3);
  return sample_measure(set, {0.05, 0.3, 0.6, 0.9, 0.7}, {});
}

TEST_F(TaskFile, WhatIsNoStoryIsAColumnOfItsOwn) {
  MeasureFile file = small_stories();
  uint64_t lost = 0;
  for (const PromptResult& prompt : file.result.prompts) lost += prompt.no_story;
  ASSERT_GT(lost, 0u);
  write_measure_file(path("m.h5"), file);
  expect_equal(read_measure_file(path("m.h5")), file);
  const Hdf5Reader stories(path("m.h5"));
  EXPECT_EQ(stories.integer("/", "version"), 2);
  EXPECT_EQ(stories.dataset<uint64_t>("/rounds/no_story").shape, (std::vector<uint64_t>{3, 3}));
  EXPECT_EQ(stories.dataset<double>("/metrics/no_story_share").values.size(), 3u);
  // A truncated story still has a category.
  file.result.prompts[0].answers[0].finish = Finish::cut;
  write_measure_file(path("c.h5"), file);
  EXPECT_EQ(read_measure_file(path("c.h5")).result.prompts[0].answers[0].finish, Finish::cut);
  for (PromptResult& prompt : file.result.prompts) keep_most_frequent(prompt, 1, true);
  write_measure_file(path("u.h5"), file);
  expect_equal(read_measure_file(path("u.h5")), file);
  EXPECT_EQ(Hdf5Reader(path("u.h5")).integer("/", "version"), 3);

  write_measure_file(path("v2.h5"), small_measure());
  const Hdf5Reader other(path("v2.h5"));
  EXPECT_EQ(other.integer("/", "version"), 1);
  EXPECT_THROW(other.dataset<uint64_t>("/rounds/no_story"), DataError);
}

TEST_F(TaskFile, AJudgesVerdictsComeBack) {
  const MeasureFile judged = sample_judged(small_stories(), "some-model");
  uint64_t failed = 0;
  for (const PromptResult& prompt : judged.result.prompts) failed += prompt.judge_failed;
  ASSERT_GT(failed, 0u);
  write_measure_file(path("j.h5"), judged);
  const MeasureFile back = read_measure_file(path("j.h5"));
  expect_equal(back, judged);
  for (size_t i = 0; i < judged.result.prompts.size(); ++i) {
    EXPECT_EQ(back.result.prompts[i].judge_failed, judged.result.prompts[i].judge_failed);
  }
  EXPECT_GT(metrics_of(back).failed_share, 0);
  std::string why;
  Task task = judged.record.task;
  make_directories(task_directory(directory_.path(), task.id));
  write_measure_file(result_path(directory_.path(), task.id), judged);
  EXPECT_EQ(verify_artefact(directory_.path(), task, why), ArtefactState::verified) << why;
  EXPECT_THROW(read_train_file(path("j.h5")), DataError);
}

TEST_F(TaskFile, RefusesStoriesThatDoNotAddUp) {
  MeasureFile file = small_stories();
  ++file.result.prompts[1].no_story;
  EXPECT_THROW(write_measure_file(path("m.h5"), file), InternalError);
  MeasureFile plain = small_measure();
  plain.result.prompts[0].no_story = 1;
  EXPECT_THROW(write_measure_file(path("p.h5"), plain), InternalError);
  plain.result.prompts[0].no_story = 0;
  plain.result.prompts[0].answers[0].category = -2;
  EXPECT_THROW(write_measure_file(path("p.h5"), plain), InternalError);
}

TEST_F(TaskFile, RefusesAnotherFormatOrVersion) {
  expect_refused(
      path("a.h5"), [](Hdf5Writer& writer) { writer.attribute("/", "version", int64_t{1}); }, "format");
  expect_refused(
      path("b.h5"), [](Hdf5Writer& writer) { writer.attribute("/", "format", "apportion index"); },
      "not a result");
  expect_refused(
      path("c.h5"),
      [](Hdf5Writer& writer) {
        writer.attribute("/", "format", "apportion result");
        writer.attribute("/", "version", int64_t{4});
      },
      "version 4");
  expect_refused(
      path("d.h5"),
      [](Hdf5Writer& writer) {
        writer.attribute("/", "format", "apportion result");
        writer.attribute("/", "version", "1");
      },
      "wrong type");
}

TEST_F(TaskFile, RefusesAnotherKind) {
  write_measure_file(path("m.h5"), small_measure());
  write_train_file(path("t.h5"), sample_training("sft", "gender-us-real", {}));
  EXPECT_THROW(read_train_file(path("m.h5")), DataError);
  EXPECT_THROW(read_measure_file(path("t.h5")), DataError);
}

TEST_F(TaskFile, WriterRefusesWhatReadersWould) {
  MeasureFile file = small_measure();
  file.result.prompts[1].counts[0] += 1;  // more rounds than answers
  EXPECT_THROW(write_measure_file(path("a.h5"), file), InternalError);
  file = small_measure();
  file.result.prompts[1].counts.pop_back();
  EXPECT_THROW(write_measure_file(path("a.h5"), file), InternalError);
  file = small_measure();
  file.tables.target[0] = {0.7, 0.7};
  EXPECT_THROW(write_measure_file(path("a.h5"), file), InternalError);
  EXPECT_FALSE(std::filesystem::exists(path("a.h5")));
}

TEST_F(TaskFile, VerifiesArtefacts) {
  Cell cell = write_sample_cell(directory_.path(), "gender-us-real");
  std::string why;
  Task measure = read_measure_file(result_path(directory_.path(), cell.measures["after/v2"])).record.task;
  EXPECT_EQ(verify_artefact(directory_.path(), measure, why), ArtefactState::verified) << why;
  Task training = read_train_file(result_path(directory_.path(), cell.training["sft"])).record.task;
  EXPECT_EQ(verify_artefact(directory_.path(), training, why), ArtefactState::verified) << why;

  Task absent = sample_task("measure", "", "nothing", {}, "v3");
  EXPECT_EQ(verify_artefact(directory_.path(), absent, why), ArtefactState::absent);

  std::string weights = adapter_directory(directory_.path(), training.id) + "/adapter_model.safetensors";
  write_file(weights, read_file(weights) + "x");
  EXPECT_EQ(verify_artefact(directory_.path(), training, why), ArtefactState::damaged);
  EXPECT_NE(why.find("adapter_model.safetensors"), std::string::npos);
  std::filesystem::remove(weights);
  EXPECT_EQ(verify_artefact(directory_.path(), training, why), ArtefactState::damaged);
}

TEST_F(TaskFile, VerifiesWeightsWhereAllAreTrained) {
  Task task = sample_task("sft", "stage 1", "all weights", {}, "");
  nlohmann::json identity = task.identity.json();
  identity["options"] = {{"adapter", "none"}};
  task.identity = identity;
  task.id = task_id(task.identity);
  EXPECT_TRUE(trains_all_weights(task));
  const std::string folder = weights_directory(directory_.path(), task.id);
  make_directories(folder);
  write_file(folder + "/model.safetensors", "values");
  TrainFile file;
  file.record.task = task;
  file.adapter_digest = sha256("values");
  write_train_file(result_path(directory_.path(), task.id), file);
  std::string why;
  EXPECT_EQ(verify_artefact(directory_.path(), task, why), ArtefactState::damaged);
  EXPECT_EQ(why, folder + "/config.json is missing");
  write_file(folder + "/config.json", "{}");
  EXPECT_EQ(verify_artefact(directory_.path(), task, why), ArtefactState::verified) << why;
  write_file(folder + "/model.safetensors", "others");
  EXPECT_EQ(verify_artefact(directory_.path(), task, why), ArtefactState::damaged);
  EXPECT_NE(why.find("weights/model.safetensors does not match"), std::string::npos) << why;
}

TEST_F(TaskFile, AFileOfAnotherTaskIsDamaged) {
  MeasureFile file = small_measure();
  Task other = sample_task("measure", "", "other", {}, "v2");
  write_measure_file(result_path(directory_.path(), other.id), file);
  std::string why;
  EXPECT_EQ(verify_artefact(directory_.path(), other, why), ArtefactState::damaged);
  EXPECT_NE(why.find(file.record.task.id), std::string::npos);

  file.record.task.id = other.id;  // now the id lies about the identity
  write_measure_file(result_path(directory_.path(), other.id), file);
  EXPECT_EQ(verify_artefact(directory_.path(), other, why), ArtefactState::damaged);
  EXPECT_NE(why.find("identity"), std::string::npos);
}

}  // namespace
}  // namespace apportion
