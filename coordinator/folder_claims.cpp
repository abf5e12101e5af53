#include "coordinator/folder_claims.h"

#include <utility>

#include "shared/base/file_system.h"
#include "shared/store/task_file.h"

namespace apportion {

FolderClaims::FolderClaims(std::string directory, bool force, Status& status)
    : directory_(std::move(directory)), force_(force), status_(status) {}

Claim FolderClaims::claim(const Task& task) {
  if (force_ && !own_.contains(task.id)) return Claim::ours;
  std::string why;
  const ArtefactState state = verify_artefact(directory_, task, why);
  if (state == ArtefactState::damaged) status_.warn(task.label + " is done again: " + why);
  if (state != ArtefactState::verified) return Claim::ours;
  // A run may have ended between a result and this.
  remove_directory(checkpoint_directory(directory_, task.id));
  return Claim::done;
}

void FolderClaims::finished(const Task& task) { own_.insert(task.id); }

}  // namespace apportion
