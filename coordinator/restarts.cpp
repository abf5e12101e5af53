#include "coordinator/restarts.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/checkpoint.h"
#include "shared/store/task_file.h"

namespace apportion {

namespace {

namespace fs = std::filesystem;

constexpr int most_starts = 3;  // the first start and two restarts

/// Everything a start could have added: finished tasks, and what is saved of others.
std::string progress_in(const std::string& directory) {
  std::string text;
  for (const std::string& id : names_in(directory + "/tasks")) {
    if (has_result(directory, id)) {
      text += id + " done\n";
    } else if (const uint64_t saved = saved_in(checkpoint_directory(directory, id)); saved > 0) {
      text += fmt::format("{} {}\n", id, saved);  // a folder with nothing saved is no progress
    }
  }
  return sha256(text);
}

}  // namespace

Restarts::Restarts(std::string directory, const BatchJob& job)
    : directory_(std::move(directory)), job_(job) {}

std::string Restarts::path() const { return directory_ + "/slurm/restarts-" + job_.id + ".json"; }

/// Ignores a file that count() did not write; count() always replaces the file whole.
Restarts::Record Restarts::read() const {
  Record record;
  if (!has_job() || !is_regular_file(path())) return record;
  try {
    const nlohmann::json json = nlohmann::json::parse(read_file(path()));
    record.progress = json.at("progress").get<std::string>();
    record.starts = json.at("starts").get<int>();
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return record;
}

void Restarts::check() const {
  const Record last = read();
  if (job_.restarts == 0 || last.starts < most_starts || last.progress != progress_in(directory_)) return;
  throw Error(reason(), stuck_exit_code);
}

void Restarts::count() {
  if (!has_job()) return;
  const std::string progress = progress_in(directory_);
  const Record last = read();
  const bool goes_on = job_.restarts > 0 && last.progress == progress;
  own_ = {goes_on ? last.starts + 1 : 1, progress};
  make_directories(directory_ + "/slurm");
  write_file(path(), nlohmann::json{{"starts", own_.starts}, {"progress", own_.progress}}.dump() + "\n");
}

bool Restarts::is_stuck() const {
  return own_.starts >= most_starts && own_.progress == progress_in(directory_);
}

std::string Restarts::reason() const {
  return fmt::format(
      "two restarts of job {} reached no new step or task, so it is not started again: give it more time, or "
      "a smaller checkpoint_steps ({} counts)",
      job_.id, path());
}

void Restarts::forget() const {
  std::error_code ignored;
  if (has_job()) fs::remove(path(), ignored);
}

}  // namespace apportion
