#include "worker/base_answers.h"

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/task_file.h"
#include "worker/kernels/micro_kernel.h"
#include "worker/sample/measure_units.h"

namespace apportion {
namespace {

using Answers = std::vector<std::vector<int32_t>>;

/// Every rank's answers on all ranks: [index, length, tokens ...] one after another.
Answers gathered(const std::vector<double>& own, size_t prompts, Collectives& group) {
  const std::vector<double> all = group.all_gather(own);
  Answers answers(prompts);
  for (size_t place = 0; place < all.size();) {
    const auto index = static_cast<size_t>(all[place]), length = static_cast<size_t>(all[place + 1]);
    for (size_t i = 0; i < length; ++i) answers[index].push_back(static_cast<int32_t>(all[place + 2 + i]));
    place += 2 + length;
  }
  return answers;
}

/// Turns of near misses, one group a kind, and of as many groups of the other kinds, so that half of what a
/// step replays are near misses.
class Groups {
 public:
  int of(const KeepPrompt& prompt) {
    auto& kinds = prompt.is_near() ? near_ : other_;
    const int kind = kinds.try_emplace(prompt.kind, static_cast<int>(kinds.size())).first->second;
    constexpr int groups = 6;
    return (prompt.is_near() ? 0 : groups) + kind % groups;
  }

 private:
  std::map<std::string, int> near_, other_;
};

std::vector<std::string> texts_of(const std::vector<KeepPrompt>& prompts, size_t every) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < prompts.size(); i += every) texts.push_back(prompts[i].text);
  return texts;
}

/// The file that has this job's answers, by all that they depend on, kind of the machine included.
std::string kept_place(const TaskContext& context, const std::vector<std::string>& texts, const Llama& base) {
  const RunConfig& config = context.session.config();
  const nlohmann::json key = {{"what", "replay"},
                              {"model", context.task.identity.at("model")},
                              {"base_type", config.value("base_type")},
                              {"seed", config.data.seed},
                              {"tokens", config.keep.tokens},
                              {"libtorch", TORCH_VERSION},
                              {"cpu", at::get_cpu_capability()},
                              {"panels", panel_fingerprint()},
                              {"type", static_cast<int>(base.compute_type())},
                              {"prompts", texts}};
  return replay_path(config.output.directory, sha256(key.dump()));
}

/// Empty where nothing is kept, or nothing of use.
Answers read_kept(const std::string& path, size_t prompts) {
  std::ifstream file(path);
  const nlohmann::json json = nlohmann::json::parse(file, nullptr, false);
  Answers answers;
  if (!json.is_array() || json.size() != prompts) return {};
  for (const auto& row : json) {
    if (!row.is_array()) return {};
    std::vector<int32_t>& answer = answers.emplace_back();
    for (const auto& token : row) {
      if (!token.is_number_integer()) return {};
      answer.push_back(token.get<int32_t>());
    }
  }
  return answers;
}

Answers kept_or_drawn(const TaskContext& context, const Llama& base, const std::vector<std::string>& texts) {
  const std::string path = kept_place(context, texts, base);
  const bool first = context.collectives.group_rank() == 0;
  Answers answers;
  if (first && !context.session.config().output.force) answers = read_kept(path, texts.size());
  std::vector<double> own;  // of the first rank, for all
  for (size_t i = 0; i < answers.size(); ++i) {
    own.insert(own.end(), {static_cast<double>(i), static_cast<double>(answers[i].size())});
    own.insert(own.end(), answers[i].begin(), answers[i].end());
  }
  const bool kept = context.collectives.all_gather({answers.empty() ? 0.0 : 1.0}).front() != 0;
  if (kept) return gathered(own, texts.size(), context.collectives);
  answers = base_answers(context, base, texts);
  if (!first) return answers;
  make_directories(std::filesystem::path(path).parent_path().string());
  write_file(path, nlohmann::json(answers).dump());
  return answers;
}

}  // namespace

Answers base_answers(const TaskContext& context, const Llama& base, const std::vector<std::string>& prompts) {
  const Session& session = context.session;
  MeasureConfig measure = session.config().measure;
  measure.max_answer_tokens = session.config().keep.tokens;
  measure.exact_nodes = 0;
  const MeasureTools tools{
      base, nullptr, session.tokenizer(), session.chat().end_of_turn(), measure, session.config().data.seed};
  const auto per_unit = static_cast<size_t>(measure.unit_prompts),
             rank = static_cast<size_t>(context.collectives.group_rank()),
             ranks = static_cast<size_t>(context.collectives.size());
  std::vector<std::vector<MeasurePrompt>> units;
  for (size_t begin = rank * per_unit; begin < prompts.size(); begin += ranks * per_unit) {
    std::vector<MeasurePrompt>& unit = units.emplace_back();
    for (size_t i = begin; i < std::min(prompts.size(), begin + per_unit); ++i) {
      MeasurePrompt& prompt = unit.emplace_back();
      prompt.subject = static_cast<int>(i);
      prompt.tokens = session.chat().encode_prompt(prompts[i]);
      prompt.rounds = 1;
      prompt.draw_key = "keep\n" + prompts[i] + "\n";
    }
  }
  std::vector<double> own;
  measure_units(tools, units, context.collectives, [&](size_t, const UnitResult& result) {
    for (const PromptAnswers& answers : result.prompts) {
      ensure(answers.answers.size() == 1, "one round gives one answer");
      const std::vector<int32_t>& tokens = answers.answers.front().tokens;
      own.insert(own.end(), {static_cast<double>(answers.subject), static_cast<double>(tokens.size())});
      own.insert(own.end(), tokens.begin(), tokens.end());
    }
  });
  return gathered(own, prompts.size(), context.collectives);
}

std::vector<ReplayRow> replay_rows(const TaskContext& context, const Llama& base) {
  const Session& session = context.session;
  const KeepConfig& keep = session.config().keep;
  const auto prompts = keep_prompts(keep.train, KeepUse::train, session.dataset(), session.config().data);
  const auto every = static_cast<size_t>(keep.text_every);
  const Answers answers = kept_or_drawn(context, base, texts_of(prompts, every));
  Groups groups;
  std::vector<ReplayRow> rows;
  for (size_t i = 0; i < prompts.size(); ++i) {
    rows.push_back({session.chat().encode_prompt(prompts[i].text), {}, groups.of(prompts[i])});
    if (i % every == 0) rows.back().answer = answers[i / every];
  }
  return rows;
}

}  // namespace apportion
