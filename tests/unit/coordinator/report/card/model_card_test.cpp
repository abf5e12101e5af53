// A card recognizes itself until somebody edits it, and says what is known and what is not.
#include "coordinator/report/card/model_card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/measure/metric_table.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

CellView sample_view(const TemporaryDirectory& directory) {
  return load_cell(directory.path(), write_sample_results(directory.path()).front());
}

TEST(ModelCard, IsItsOwnUntilItIsChanged) {
  TemporaryDirectory directory;
  const CellView view = sample_view(directory);
  const CardSubject subject{CardKind::adapter, view.training.back().file.record.task.id, "", "", 8};
  const std::string card = model_card(view, subject);
  EXPECT_EQ(key_of_own_card(card), card_key(view.cell, subject));
  for (const std::string& text : {card + "Mine.\n", "Mine.\n" + card, std::string("# Mine\n"), std::string()})
    EXPECT_EQ(key_of_own_card(text), std::nullopt);
}

TEST(ModelCard, HasAnotherKeyWhereItWouldSayAnotherThing) {
  TemporaryDirectory directory;
  const CellView view = sample_view(directory);
  const CardSubject subject{CardKind::adapter, "task", "org/Base", "mit", 8};
  std::set<std::string> keys = {card_key(view.cell, subject)};
  CardSubject other = subject;
  other.license = "";
  keys.insert(card_key(view.cell, other));
  other.hub_name = "";
  keys.insert(card_key(view.cell, other));
  Cell cell = view.cell;
  cell.measures.erase(cell.measures.begin());
  keys.insert(card_key(cell, subject));
  cell.about.target = "even";
  keys.insert(card_key(cell, subject));
  EXPECT_EQ(keys.size(), 5u);
}

TEST(ModelCard, SaysWhatTheBaseIsAndWhatIsNotKnownOfIt) {
  TemporaryDirectory directory;
  const CellView view = sample_view(directory);
  const std::string task = view.training.back().file.record.task.id;
  EXPECT_THAT(
      model_card(view, {CardKind::adapter, task, "org/Base", "mit", 20}),
      AllOf(StartsWith("---\nbase_model: \"org/Base\"\nbase_model_relation: adapter\nlibrary_name: peft\n"
                       "license: \"mit\"\npipeline_tag: text-generation\n"),
            HasSubstr("[org/Base](https://huggingface.co/org/Base)"), HasSubstr("max_lora_rank=32"),
            HasSubstr("base = \"org/Base\"\n")));
  EXPECT_THAT(
      model_card(view, {CardKind::adapter, task, "", "", 600}),
      AllOf(StartsWith("---\nlibrary_name: peft\npipeline_tag"),
            HasSubstr("does not give its name on the hub"), HasSubstr("licence | its files name none"),
            HasSubstr("vLLM takes no adapter of rank 600")));
  EXPECT_THAT(model_card(view, {CardKind::merged, task, "org/Base", "mit", 0}),
              AllOf(HasSubstr("base_model_relation: finetune\nlibrary_name: transformers\n"),
                    Not(HasSubstr("import Peft")), HasSubstr("model_path = \".\"")));
}

/// tests/system/use/card_test.py reads it as the hub does.
TEST(ModelCard, WritesASampleForPeers) {
  const char* given = std::getenv("APPORTION_PEER_RESULTS");
  TemporaryDirectory own;
  const std::string directory = given ? given : own.path();
  const CellView view = load_cell(directory, write_sample_results(directory).front());
  const DatasetMetrics& metrics = view.headline()->metrics;
  const std::string card =
      model_card(view, {CardKind::adapter, view.training.back().file.record.task.id, "org/Base", "mit", 8});
  EXPECT_THAT(
      card,
      HasSubstr(
          "  - type: exact_error\n      name: \"exact error, mean over subjects\"\n      value: 0.008"));
  EXPECT_THAT(card, HasSubstr("\n| mean |  |  |  | " +
                              metric_text(measured_metric("exact_error"), metrics.exact_error)));
  write_file(directory + "/README.md", card);
}

TEST(ModelCard, HasNoMeanOfSomeSubjectsInItsFront) {
  TemporaryDirectory directory;
  CellView view = sample_view(directory);
  for (MeasureView& measure : view.measures) measure.metrics.subjects.front().exact_error.reset();
  const std::string card =
      model_card(view, {CardKind::adapter, view.training.back().file.record.task.id, "", "", 8});
  EXPECT_THAT(card, AllOf(Not(HasSubstr("type: exact_error")), Not(HasSubstr("type: worst_exact_error")),
                          HasSubstr("type: mae")));
}

TEST(ModelCard, OfAStageThatTrainingWentOnFromHasNoResults) {
  TemporaryDirectory directory;
  const CellView view = sample_view(directory);
  const std::string first = view.training.front().file.record.task.id;
  EXPECT_THAT(model_card(view, {CardKind::adapter, first, "", "", 8}),
              AllOf(HasSubstr("It was not measured itself."), HasSubstr("## Results\n\nNone.\n"),
                    Not(HasSubstr("model-index"))));
  EXPECT_THROW(model_card(view, {CardKind::adapter, "another", "", "", 8}), InternalError);
}

}  // namespace
}  // namespace apportion
