// The section [sweep]: lists, ranges, zip, exclude, and every way to get it wrong.
#include "shared/config/sweep.h"

#include <gtest/gtest.h>

#include "shared/config/job_file.h"
#include "shared/config/option_table.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::error_of;
using Names = std::vector<std::string>;

Names names_of(const std::string& lines) {
  Names names;
  for (const SweepCell& cell : sweep_cells(parse_job_file("seed = 9\n[sweep]\n" + lines, "s.ini").sweep))
    names.push_back(cell.name);
  return names;
}

std::string refusal_of(const std::string& lines) {
  return error_of([&] { names_of(lines); });
}

TEST(Sweep, IsTheProductWithTheLastKeyFastest) {
  EXPECT_EQ(names_of("method = full, kl-only\nseed = 0..1\n"),
            (Names{"method=full, seed=0", "method=full, seed=1", "method=kl-only, seed=0",
                   "method=kl-only, seed=1"}));
  EXPECT_EQ(names_of("# a comment\nmodel = shape:layers=1,width=64, tiny, shape:350m\n"),
            (Names{"model=shape:layers=1,width=64", "model=tiny", "model=shape:350m"}));
  EXPECT_EQ(refusal_of("# nothing\n").find("s.ini: the section [sweep] is empty"), 0U);
  EXPECT_EQ(parse_job_file("[sweep]  # why\nseed = 1\n", "s.ini").sweep.size(), 1U);
  EXPECT_TRUE(parse_job_file("seed = 1\n", "s.ini").sweep.empty());
}

TEST(Sweep, RangesAreWrittenWithTheirDecimals) {
  EXPECT_EQ(names_of("seed = 3, 0..4 step 2\n"), (Names{"seed=3", "seed=0", "seed=2", "seed=4"}));
  EXPECT_EQ(names_of("beta = 0.1..0.3 step 0.1\n"), (Names{"beta=0.1", "beta=0.2", "beta=0.3"}))
      << "0.1 + 2 x 0.1 is not 0.3 in binary, and is meant";
  EXPECT_EQ(names_of("lora_layers = 0.5..0.9 step 0.25\n"), (Names{"lora_layers=0.50", "lora_layers=0.75"}));
  EXPECT_EQ(names_of("dataset = ../up, a..b\n"), (Names{"dataset=../up", "dataset=a..b"}))
      << "a path is no range";
}

TEST(Sweep, StepsOfATargetMeetItsEndsOnce) {
  EXPECT_EQ(names_of("target = real, even, 5 steps from real to even, 0.9/0.1\n"),
            (Names{"target=real", "target=even", "target=mix 0.25", "target=mix 0.5", "target=mix 0.75",
                   "target=0.9/0.1"}));
  EXPECT_EQ(names_of("target = 3 steps from even to real\n"),
            (Names{"target=even", "target=mix 0.5", "target=real"}));
}

TEST(Sweep, ZipPairsAndExcludeLeavesOut) {
  EXPECT_EQ(names_of("seed = 0..1\nlora_rank = 4, 8\nlora_alpha = 16, 32\nzip = lora_rank, lora_alpha\n"
                     "exclude = seed = 1, lora_rank = 8\nexclude = lora_alpha = 16, seed = 0\n"),
            (Names{"seed=0, lora_rank=8, lora_alpha=32", "seed=1, lora_rank=4, lora_alpha=16"}));
}

TEST(Sweep, ACellIsTheJobThatItWouldBeAlone) {
  const JobFile file = parse_job_file(
      "rounds = 7\nlora_rank = 8\n[sweep]\nmethod = full, ift, zero-shot\npreset = none, authors\n"
      "adapter = lora, none\nsft_optimizer = adamw\nbeta = 0.2, 0.3\nsft_learning_rate = auto, 0.001\n",
      "s.ini");
  const std::vector<SweepCell> cells = sweep_cells(file.sweep);
  const std::vector<JobCell> jobs = job_cells(file.settings, cells);
  ASSERT_EQ(jobs.size(), 48U);
  for (size_t i = 0; i < cells.size(); ++i) {
    std::vector<Setting> alone = file.settings;
    alone.insert(alone.end(), cells[i].settings.begin(), cells[i].settings.end());
    EXPECT_EQ(jobs[i].config.resolved, make_run_config(alone).resolved) << cells[i].name;
    for (const Option* option : option_table())
      EXPECT_EQ(jobs[i].config.value(option->key), option->print(jobs[i].config)) << option->key;
  }
}

TEST(Sweep, AnExclusionOfTheFileStandsBackForTheCommandLine) {
  std::vector<Setting> lines =
      parse_job_file("[sweep]\nseed = 0..2\nmethod = full, dpo\nexclude = seed = 2, method = dpo\n", "s.ini")
          .sweep;
  EXPECT_EQ(sweep_cells(lines).size(), 5U);
  lines[0] = {"seed", "0..1", command_line_source};
  EXPECT_EQ(sweep_cells(lines).size(), 4U);
}

TEST(Sweep, SettingsSayWhereTheyCameFrom) {
  const auto cells = sweep_cells(parse_job_file("[sweep]\n\nseed = 1,2\n", "s.ini").sweep);
  ASSERT_EQ(cells.size(), 2U);
  EXPECT_EQ(cells[1].settings[0].key, "seed");
  EXPECT_EQ(cells[1].settings[0].value, "2");
  EXPECT_EQ(cells[1].settings[0].source, "s.ini, line 3");
}

TEST(Sweep, MistakesNameLineAndCure) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"sede = 0..2\n", "s.ini, line 3: unknown key 'sede' in [sweep]; did you mean 'seed'?"},
      {"seed = 2..0\n",
       "s.ini, line 3: the range '2..0' is empty; the second number is at least the first, and the step "
       "above "
       "0"},
      {"seed = 0..4 step 0\n", "s.ini, line 3: the range '0..4 step 0' is empty"},
      {"seed = 0..x\n", "s.ini, line 3: '0..x' is not a range"},
      {"seed = 0..9999999\n", "s.ini, line 3: the range '0..9999999' has more than 100000 values"},
      {"seed = 0..9999\nlora_rank = 1..1000\n", "s.ini, line 4: the sweep has more than 100000 cells"},
      {"seed = 1, 2, 1\n", "s.ini, line 3: the value '1' appears twice, and two cells would be the same"},
      {"kl_weight = 1, 1.0\n", "s.ini, line 3: the value '1.0' appears twice"},
      {"seed = 1,,2\n", "s.ini, line 3: an empty value"},
      {"seed = 1\nseed = 2\n", "s.ini, line 4: 'seed' is already swept"},
      {"output = a, b\n", "s.ini, line 3: 'output' cannot be swept"},
      {"threads = 1, 2\n", "s.ini, line 3: 'threads' cannot be swept"},
      {"test_sets = v2, v3\n", "s.ini, line 3: 'test_sets' is a list already"},
      {"target = 1 steps from real to even\n", "s.ini, line 3: '1 steps from real to even' must read"},
      {"target = 3 steps from real to real\n", "s.ini, line 3: '3 steps from real to real' must read"},
      {"seed = 0..2\nlora_rank = 4, 8\nzip = seed, lora_rank\n",
       "s.ini, line 5: zip pairs lists of equal length, but seed has 3 values and lora_rank has 2"},
      {"seed = 0..2\nzip = seed\n", "s.ini, line 4: zip needs two or more keys"},
      {"seed = 0..2\nzip = seed, method\n", "s.ini, line 4: zip names 'method', which is not swept"},
      {"seed = 0..2\nzip = seed, seed\n", "s.ini, line 4: zip names 'seed' twice"},
      {"seed = 0..2\nexclude = seed\n", "s.ini, line 4: 'seed' must read key = value"},
      {"seed = 0..2\nexclude = seed = 3\n", "s.ini, line 4: no cell has seed = 3; its values are 0, 1, 2"},
      {"seed = 0..2\nexclude = method = full\n", "s.ini, line 4: exclude names 'method', which is not swept"},
      {"seed = 0, 1\nlora_rank = 4, 8\nzip = seed, lora_rank\nexclude = seed = 0, lora_rank = 8\n",
       "s.ini, line 6: exclude matches no cell"},
      {"seed = 0\nexclude = seed = 0\n", "s.ini, line 4: exclude leaves no cell"},
  };
  for (const auto& [lines, message] : mistakes)
    EXPECT_TRUE(refusal_of(lines).starts_with(message)) << lines << "said: " << refusal_of(lines);
  EXPECT_EQ(error_of([] { parse_job_file("[sweep]\n[sweep]\n", "s.ini"); }),
            "s.ini, line 2: the section [sweep] appears twice; keep one");
}

}  // namespace
}  // namespace apportion
