// Command lines with real job files: commands, precedence, spellings, and one clear line per mistake.
#include "shared/config/command/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/job_file.h"
#include "shared/config/option_table.h"
#include "shared/config/options_page.h"

namespace apportion {
namespace {

using testing::HasSubstr;
using testing::Not;

CommandLine parse(std::vector<std::string> arguments) {
  std::vector<const char*> argv = {"apportion"};
  for (const auto& argument : arguments) argv.push_back(argument.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

std::string error_of(const std::vector<std::string>& arguments) {
  try {
    parse(arguments);
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
    return error.what();
  }
  return "no error";
}

class CommandLineTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(directory_);
    write_file(job_, "seed = 3\nlora_rank = 8\n");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  const std::string directory_ =
      testing::TempDir() + "apportion_command_line_" + std::to_string(::getpid()) + "/";
  const std::string job_ = directory_ + "night.ini";
};

TEST_F(CommandLineTest, RunTakesTheJobFileAndTheCommandLineOverIt) {
  CommandLine line = parse({"run", job_, "--lora_rank", "4", "--sft-learning-rate=3e-4"});
  EXPECT_EQ(line.command, Command::run);
  EXPECT_EQ(line.job_file, job_);
  EXPECT_EQ(line.config.data.seed, 3u);
  EXPECT_EQ(line.config.lora.rank, 4);
  EXPECT_EQ(line.config.sft.learning_rate, 3e-4);
  EXPECT_EQ(line.config.output.directory, "runs/night");
  EXPECT_EQ(line.config.value("output"), "runs/night");
}

TEST_F(CommandLineTest, FlagsTakeNoWordAndValuesKeepTheirDashes) {
  CommandLine line = parse({"run", "--force", job_, "--output", "--odd-name", "--json=false", "--quiet"});
  EXPECT_EQ(line.job_file, job_);
  EXPECT_TRUE(line.config.output.force);
  EXPECT_TRUE(line.config.output.quiet);
  EXPECT_FALSE(line.config.output.json);
  EXPECT_EQ(line.config.output.directory, "--odd-name");
  EXPECT_EQ(parse({"run", job_, "--output="}).config.output.directory, "runs/night");
}

TEST_F(CommandLineTest, EveryKeyIsTakenFromTheCommandLine) {
  for (const Option* option : option_table()) {
    if (option->key == "output") continue;  // its default is resolved, see above
    CommandLine line = parse({"run", job_, "--" + option->key + "=" + option->default_value});
    EXPECT_EQ(line.config.value(option->key), option->default_value) << option->key;
  }
}

TEST_F(CommandLineTest, PrintConfigParsesBackToTheSame) {
  CommandLine line = parse({"run", job_, "--beta", "0.3", "--print-config"});
  EXPECT_EQ(line.command, Command::print_config);
  EXPECT_EQ(make_run_config(parse_job_file(print_cells(line.cells), "printed").settings).resolved,
            line.config.resolved);
  EXPECT_EQ(line.config.value("beta"), "0.3");
}

TEST_F(CommandLineTest, ScaleTakesAJobFileAsRunDoes) {
  const CommandLine study = parse({"scale", job_, "--scale_ranks", "1,4", "--scale_scaling", "weak"});
  EXPECT_EQ(study.command, Command::scale);
  EXPECT_EQ(study.config.scale.ranks, (std::vector<uint64_t>{1, 4}));
  EXPECT_EQ(study.config.scale.scaling, std::vector{Scaling::weak});
  EXPECT_EQ(study.config.output.directory, "runs/night");
  EXPECT_THAT(error_of({"scale"}), HasSubstr("'apportion scale JOB.ini"));
  EXPECT_THAT(error_of({"scale", job_, "--scale_ranks", "0"}), HasSubstr("each an integer from 1 to"));
  EXPECT_THAT(error_of({"scale", job_, "--print-config"}), HasSubstr("belongs to 'apportion run JOB.ini'"));
}

TEST_F(CommandLineTest, PlanTakesAJobFileOrNone) {
  const CommandLine alone = parse({"plan", "--model", "shape:1b", "--plan_ranks", "2, 4", "--json"});
  EXPECT_EQ(alone.command, Command::plan);
  EXPECT_EQ(alone.config.data.model, "shape:1b");
  EXPECT_EQ(alone.config.value("plan_ranks"), "2,4");
  EXPECT_EQ(alone.config.lora.rank, 32);
  const CommandLine of_job = parse({"plan", job_, "--recompute=always"});
  EXPECT_EQ(of_job.job_file, job_);
  EXPECT_EQ(of_job.config.lora.rank, 8);
  EXPECT_EQ(of_job.config.ranks.recompute, Recompute::always);
  EXPECT_THAT(error_of({"plan", job_, "more.ini"}), HasSubstr("unexpected 'more.ini'"));
  EXPECT_THAT(error_of({"plan", "--plan_ranks", "4,2"}), HasSubstr("a comma-separated list that rises"));
  EXPECT_THAT(error_of({"plan", "--plan_ranks", "0"}), HasSubstr("each an integer from 1 to"));
  EXPECT_THAT(error_of({"plan", "--csv", "x"}), HasSubstr("--csv belongs to"));
}

TEST_F(CommandLineTest, RunMistakes) {
  EXPECT_THAT(error_of({"run"}), HasSubstr("run needs a job file"));
  EXPECT_THAT(error_of({"run", job_, "more.ini"}), HasSubstr("unexpected 'more.ini'"));
  EXPECT_THAT(error_of({"run", directory_ + "missing.ini"}), HasSubstr("missing.ini"));
  EXPECT_EQ(error_of({"run", job_, "--lerning-rate", "0.1"}),
            "command line: unknown key 'lerning_rate'; did you mean '--sft_learning_rate'?");
  EXPECT_EQ(error_of({"run", job_, "--seed", "-1"}),
            "command line: seed = '-1' must be an integer from 0 to 2^64 - 1");
  EXPECT_EQ(error_of({"run", job_, "--seed", "1", "--seed", "2"}),
            "command line: --seed is given twice; keep one");
  EXPECT_THAT(error_of({"run", job_, "--seed"}), HasSubstr("'--seed' is missing"));
  EXPECT_THAT(error_of({"run", job_, "--see", "1"}), HasSubstr("did you mean '--seed'?"));
  EXPECT_THAT(error_of({"run", job_, "--s\ned"}), HasSubstr("unknown key"));
  EXPECT_THAT(error_of({"run", job_, "--batch_prompts", "1"}), HasSubstr("need two prompts"));
  EXPECT_THAT(error_of({"run", job_, "--csv", "x"}), HasSubstr("--csv belongs to 'apportion export"));
}

TEST_F(CommandLineTest, AJobFilesMistakeNamesItsLine) {
  write_file(job_, "seed = 3\nlerning_rate = 8\n");
  EXPECT_EQ(error_of({"run", job_}),
            job_ + ", line 2: unknown key 'lerning_rate'; did you mean 'sft_learning_rate'?");
}

TEST(ParseCommandLine, ReportAndExport) {
  CommandLine report = parse({"report", "runs/x", "--json"});
  EXPECT_EQ(report.command, Command::report);
  EXPECT_EQ(report.directory, "runs/x");
  EXPECT_TRUE(report.config.output.json);
  EXPECT_EQ(parse({"export", "runs/x", "--csv"}).csv_file, "-");
  EXPECT_EQ(parse({"export", "runs/x", "--csv", "-"}).csv_file, "-");
  CommandLine exported = parse({"export", "--csv", "rows.csv", "runs/x"});
  EXPECT_EQ(exported.command, Command::export_csv);
  EXPECT_EQ(exported.csv_file, "rows.csv");
  EXPECT_EQ(exported.directory, "runs/x");
  EXPECT_THAT(error_of({"export", "runs/x"}), HasSubstr("--csv FILE"));
  EXPECT_EQ(error_of({"report", "runs/x", "--latex", ""}),
            "command line: --latex is empty; it needs a value, as in --latex FILE");
  EXPECT_EQ(error_of({"report", "runs/x", "--fail-if="}),
            "command line: --fail-if is empty; it needs a value, as in --fail-if 'error > 0.02'");
  EXPECT_THAT(error_of({"report"}), HasSubstr("report needs a results folder"));
  EXPECT_THAT(error_of({"report", "runs/x", "--seed", "1"}), HasSubstr("--seed does not belong to report"));
  EXPECT_THAT(error_of({"report", "runs/x", "--print-config"}), HasSubstr("--print-config belongs to"));
}

TEST(ParseCommandLine, ExportsOfWhatWasTrained) {
  const CommandLine folder =
      parse({"export", "runs/x", "--merged", "out", "--adapter", "cell", "--model", "m"});
  EXPECT_EQ(folder.command, Command::export_merged);
  EXPECT_EQ(folder.exported.merged, "out");
  EXPECT_EQ(folder.exported.gguf, "");
  EXPECT_EQ(folder.exported.model, "m");
  EXPECT_EQ(folder.cell, "cell");
  const CommandLine file = parse({"export", "runs/x", "--merged", "out.gguf", "--gguf", "q8_0"});
  EXPECT_EQ(file.command, Command::export_merged);
  EXPECT_EQ(file.exported.gguf, "q8_0");
  const CommandLine lora = parse({"export", "runs/x", "--gguf-lora=lora.gguf", "--adapter=cell"});
  EXPECT_EQ(lora.command, Command::export_gguf_lora);
  EXPECT_EQ(lora.exported.gguf_lora, "lora.gguf");
  EXPECT_EQ(lora.cell, "cell");
}

TEST(ParseCommandLine, ExportsThatContradictThemselves) {
  auto error = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"export", "runs/x"});
    return error_of(words);
  };
  EXPECT_THAT(error({"--merged", "out", "--csv"}), HasSubstr("are different exports; ask for one"));
  EXPECT_THAT(error({"--merged", "out", "--gguf-lora", "a.gguf"}), HasSubstr("ask for one"));
  EXPECT_THAT(error({"--gguf", "f16", "--csv"}), HasSubstr("--gguf belongs to export DIR --merged OUT.gguf"));
  EXPECT_THAT(error({"--merged", "a.gguf", "--gguf", "q4_k"}),
              HasSubstr("--gguf 'q4_k' must be q8_0, f16 or f32"));
  EXPECT_THAT(error({"--merged", "a.gguf", "--gguf="}),
              HasSubstr("--gguf is empty; it needs a value, as in --gguf q8_0"));
  EXPECT_THAT(error({"--merged", "out", "--gguf", "f16"}),
              HasSubstr("--merged 'out' must be the name of a file that ends in .gguf"));
  EXPECT_THAT(error({"--merged", "a.gguf"}), HasSubstr("for which --gguf q8_0, f16 or f32 is needed"));
  EXPECT_THAT(error({"--gguf-lora", "a"}), HasSubstr("--gguf-lora 'a' must be the name of a file"));
  EXPECT_THAT(error({"--adapter", "cell", "--csv"}), HasSubstr("--adapter and --model belong to"));
  EXPECT_THAT(error_of({"run", "x.ini", "--gguf", "f16"}), HasSubstr("--gguf belongs to 'apportion export"));
}

TEST(ParseCommandLine, ReportTakesKeysAndConditions) {
  const CommandLine report = parse(
      {"report", "runs/x", "--by", "sft-learning-rate, seed", "--fail-if", "error > 0.02", "--fail-if=kl>1"});
  EXPECT_EQ(report.by, (std::vector<std::string>{"sft_learning_rate", "seed"}));
  EXPECT_EQ(report.fail_if, (std::vector<std::string>{"error > 0.02", "kl>1"}));
  for (const char* keys : {",", "seed,", "seed,seed", ",seed"})
    EXPECT_THAT(error_of({"report", "runs/x", "--by", keys}),
                HasSubstr("a comma-separated list of swept keys, each once"))
        << keys;
  EXPECT_THAT(error_of({"report", "runs/x", "--by", "seed", "--cell", "a"}), HasSubstr("keep one"));
  EXPECT_THAT(error_of({"report", "runs/x", "--by", "a", "--by", "b"}), HasSubstr("given twice"));
  EXPECT_EQ(error_of({"export", "runs/x", "--by", "a", "--csv"}),
            "command line: --by belongs to 'apportion report DIR'");
  EXPECT_THAT(error_of({"run", "x.ini", "--fail-if", "error > 1"}), HasSubstr("--fail-if belongs to"));
}

TEST(ParseCommandLine, ClearingPackingAndMergingAFolder) {
  const CommandLine gc = parse({"gc", "runs/x", "--yes", "--forget", "old", "--forget=older", "--json"});
  EXPECT_EQ(gc.command, Command::gc);
  EXPECT_EQ(gc.directory, "runs/x");
  EXPECT_TRUE(gc.folder.yes && gc.config.output.json);
  EXPECT_EQ(gc.folder.forget, (std::vector<std::string>{"old", "older"}));
  const CommandLine kept = parse({"gc", "runs/x", "jobs/a.ini", "b.ini"});
  EXPECT_EQ(kept.folder.jobs, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(kept.folder.yes);
  const CommandLine pack = parse({"pack", "runs/x", "x.h5", "--adapters"});
  EXPECT_EQ(pack.command, Command::pack);
  EXPECT_EQ(pack.folder.file, "x.h5");
  EXPECT_TRUE(pack.folder.adapters);
  EXPECT_FALSE(parse({"pack", "runs/x", "x.h5"}).folder.adapters);
  const CommandLine merge = parse({"merge", "runs/x", "runs/y"});
  EXPECT_EQ(merge.command, Command::merge);
  EXPECT_EQ(merge.folder.from, "runs/y");
}

TEST(ParseCommandLine, MistakesInClearingPackingAndMerging) {
  EXPECT_THAT(error_of({"gc"}), HasSubstr("gc needs a results folder, as in 'apportion gc DIR"));
  EXPECT_THAT(error_of({"gc", "x", "a.ini", "--forget", "b"}), HasSubstr("keep them or --forget"));
  EXPECT_THAT(error_of({"gc", "x", "--seed", "1"}), HasSubstr("--seed does not belong to gc"));
  EXPECT_THAT(error_of({"pack", "x"}), HasSubstr("pack needs a file to write"));
  EXPECT_THAT(error_of({"pack", "x", "y", "z"}), HasSubstr("unexpected 'z'; the form is 'apportion pack"));
  EXPECT_THAT(error_of({"merge", "x"}), HasSubstr("merge needs a results folder to bring in"));
  EXPECT_THAT(error_of({"merge", "x", "y", "z"}), HasSubstr("unexpected 'z'"));
  EXPECT_EQ(error_of({"merge", "x", "y", "--yes"}), "command line: --yes belongs to 'apportion gc DIR'");
  EXPECT_THAT(error_of({"status", "x", "--forget", "a"}), HasSubstr("--forget belongs to"));
  EXPECT_THAT(error_of({"gc", "x", "--adapters"}), HasSubstr("--adapters belongs to 'apportion pack"));
  EXPECT_THAT(error_of({"gc", "x", "--forgt", "a"}), HasSubstr("did you mean '--forget'?"));
  EXPECT_THAT(error_of({"merg", "x", "y"}), HasSubstr("did you mean 'merge'?"));
}

TEST(ParseCommandLine, HelpNamesCommandsAndRunHelpAllKeys) {
  EXPECT_EQ(parse({"--help"}).command, Command::help);
  EXPECT_THAT(parse({"-h"}).text, HasSubstr("apportion report DIR"));
  CommandLine help = parse({"run", "--help"});
  EXPECT_EQ(help.command, Command::help);
  for (const Option* option : option_table()) EXPECT_THAT(help.text, HasSubstr("--" + option->key + " "));
}

TEST(ParseCommandLine, PrintingCommands) {
  EXPECT_EQ(parse({"--version"}).command, Command::version);
  EXPECT_THAT(parse({"--version"}).text, HasSubstr("LibTorch"));
  EXPECT_EQ(parse({"--dump-defaults"}).command, Command::dump_defaults);
  EXPECT_EQ(parse({"--dump_defaults"}).text, format_default_job_file());
  EXPECT_EQ(parse({"--dump-options-markdown"}).text, format_options_page());
}

TEST(ParseCommandLine, WrongOrNoCommand) {
  EXPECT_EQ(error_of({"rnu", "x.ini"}), "command line: unknown command 'rnu'; did you mean 'run'?");
  EXPECT_EQ(error_of({}), "command line: no command; try 'apportion --help'");
  EXPECT_EQ(error_of({"--hlep"}), "command line: unknown key 'hlep'; did you mean '--help'?");
}

}  // namespace
}  // namespace apportion
