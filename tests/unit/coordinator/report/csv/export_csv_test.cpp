// The tidy CSV: its rows add up to the files' counts, and it is quoted as in RFC 4180.
#include "coordinator/report/csv/export_csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_results.h"
#include "tests/support/sample_sweep.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// RFC 4180 records, as an independent reader parses them.
std::vector<std::vector<std::string>> parse(const std::string& text) {
  std::vector<std::vector<std::string>> records(1, {""});
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string& field = records.back().back();
    if (quoted) {
      if (text[i] != '"') {
        field += text[i];
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += text[i++];
      } else {
        quoted = false;
      }
    } else if (text[i] == '"') {
      quoted = true;
    } else if (text[i] == ',') {
      records.back().push_back("");
    } else if (text[i] == '\r') {
      EXPECT_EQ(text[++i], '\n');
      records.push_back({""});
    } else {
      field += text[i];
    }
  }
  EXPECT_EQ(records.back(), std::vector<std::string>{""}) << "the last record ends with a line break";
  records.pop_back();
  return records;
}

std::vector<std::map<std::string, std::string>> rows_of(const std::string& directory) {
  std::ostringstream out;
  export_csv(directory, out);
  auto records = parse(out.str());
  std::vector<std::map<std::string, std::string>> rows;
  for (size_t r = 1; r < records.size(); ++r) {
    EXPECT_EQ(records[r].size(), records[0].size());
    rows.emplace_back();
    for (size_t c = 0; c < records[0].size(); ++c) rows.back()[records[0][c]] = records[r][c];
  }
  return rows;
}

TEST(ExportCsv, HasARowPerOutcomeAndItsNumbers) {
  TemporaryDirectory directory;
  Cell cell = write_sample_cell(directory.path(), "gender-us-real");
  write_index(directory.path(), {cell});
  MeasureFile file = read_measure_file(result_path(directory.path(), cell.measures["after/v2"]));
  auto rows = rows_of(directory.path());
  EXPECT_EQ(rows.size(), 3u * 14 * 3 * 4);  // test sets, subjects, wordings, outcomes
  size_t found = 0;
  for (auto& row : rows) {
    if (row["when"] != "after" || row["test_set"] != "v2") continue;
    const size_t index = found / 4, outcome = found % 4;
    const PromptResult& prompt = file.result.prompts[index];
    EXPECT_EQ(row["cell"], "gender-us-real-full");
    EXPECT_EQ(row["dataset"], "gender-us-real");
    EXPECT_EQ(row["method"], "full");
    EXPECT_EQ(row["subject"], file.tables.subjects[index / 3]);
    EXPECT_EQ(row["wording"], std::to_string(index % 3));
    EXPECT_EQ(row["prompt"], file.tables.prompts[index]);
    EXPECT_EQ(row["count"], std::to_string(prompt.counts[outcome]));
    EXPECT_EQ(row["outcome"], outcome < 2 ? "category" : outcome == 2 ? "unparsed" : "cut");
    EXPECT_EQ(row["rounds"], index % 3 == 0 ? "34" : "33");
    if (outcome < 2) {
      EXPECT_EQ(std::stod(row["steering"]), prompt.steering[outcome]);
      EXPECT_EQ(std::stod(row["exact_low"]), prompt.low[outcome]);
      EXPECT_EQ(std::stod(row["target"]), file.tables.target[index / 3][outcome]);
    } else {
      EXPECT_EQ(row["category"] + row["target"] + row["steering"] + row["exact_low"] + row["exact_high"], "");
    }
    ++found;
  }
  EXPECT_EQ(found, 14u * 3 * 4);
}

TEST(ExportCsv, HasAColumnForEachSweptKey) {
  TemporaryDirectory directory;
  write_sample_sweep(directory.path(), {{"target", {"0.9/0.1", "a,\"b\".csv"}}, {"seed", {"7"}}});
  Cell other = write_sample_cell(directory.path(), "gender-us-real");
  write_index(directory.path(), {other});
  std::set<std::vector<std::string>> found;
  for (auto& row : rows_of(directory.path())) {
    EXPECT_EQ(row.size(), 20u);
    EXPECT_EQ(row["target"].empty(), row["outcome"] != "category") << "that of the subject";
    found.insert({row["cell"], row["swept_target"], row["seed"]});
  }
  EXPECT_EQ(found, (std::set<std::vector<std::string>>{{"gender-us-real-full", "", ""},
                                                       {"target=0.9:0.1, seed=7", "0.9/0.1", "7"},
                                                       {"target=a,\"b\".csv, seed=7", "a,\"b\".csv", "7"}}));
}

TEST(ExportCsv, QuotesWhatNeedsIt) {
  TemporaryDirectory directory;
  SampleSet set = sample_gender_set("v2");
  set.subjects[0] = "a \"b\", c\nd";
  set.target[1] = {};
  MeasureFile file = sample_measure(sample_gender_set("v2"), {}, {});
  file.tables.subjects[0] = set.subjects[0];
  file.tables.target[1].clear();
  write_measure_file(result_path(directory.path(), file.record.task.id), file);
  auto rows = rows_of(directory.path());
  EXPECT_EQ(rows[0]["subject"], "a \"b\", c\nd");
  EXPECT_EQ(rows[12]["subject"], "chief executives");
  EXPECT_EQ(rows[12]["target"], "");
}

TEST(ExportCsv, WritesAFileWithAllThatCanBeRead) {
  TemporaryDirectory directory;
  Cell cell = write_sample_cell(directory.path(), "race-us-even");
  write_index(directory.path(), {cell});
  std::ostringstream out;
  export_csv(directory.path(), out);
  export_csv(directory.path(), directory.path() + "/shares.csv");
  EXPECT_EQ(read_file(directory.path() + "/shares.csv"), out.str());

  write_file(result_path(directory.path(), cell.measures["after/v2"]), "damaged");
  EXPECT_THAT(
      [&] { export_csv(directory.path(), directory.path() + "/other.csv"); },
      ThrowsMessage<UserError>(AllOf(HasSubstr("1 of the results"), HasSubstr(cell.measures["after/v2"]))));
  std::string others;
  std::istringstream all(out.str());
  for (std::string line; std::getline(all, line);) {
    if (line.find(",after,v2,") == std::string::npos) others += line + "\n";
  }
  EXPECT_EQ(read_file(directory.path() + "/other.csv"), others);
  EXPECT_NE(others, out.str());
}

// tests/system/store_test.py has h5py and pandas read what this writes.
TEST(ExportCsv, WritesSampleResultsForPeers) {
  TemporaryDirectory temporary;
  const char* wanted = std::getenv("APPORTION_PEER_RESULTS");
  const std::string directory = wanted ? wanted : temporary.path();
  make_directories(directory);
  write_sample_results(directory);
  export_csv(directory, directory + "/shares.csv");
  EXPECT_EQ(read_file(directory + "/shares.csv").substr(0, 9), "job,cell,");
}

TEST(ExportCsv, StoriesHaveARowMore) {
  TemporaryDirectory directory;
  const MeasureFile file = sample_measure(sample_gender_set("v3"), {0.05, 0, 0.5, 0.03, 0.02}, {});
  write_measure_file(result_path(directory.path(), file.record.task.id), file);
  write_index(directory.path(), {Cell{"job", "cell", {{"before/v3", file.record.task.id}}, {}}});
  uint64_t all = 0, lost = 0, expected = 0;
  for (const auto& row : rows_of(directory.path())) {
    all += std::stoull(row.at("count"));
    if (row.at("outcome") == "no story") lost += std::stoull(row.at("count"));
  }
  for (const PromptResult& prompt : file.result.prompts) expected += prompt.no_story;
  EXPECT_EQ(all, 1400u);
  EXPECT_EQ(lost, expected);
  EXPECT_GT(lost, 0u);
}

}  // namespace
}  // namespace apportion
