// Which tasks of a results folder are done already: those whose results verify.
#pragma once

#include <set>
#include <string>

#include "coordinator/claims.h"
#include "coordinator/status.h"

namespace apportion {

class FolderClaims : public Claims {
 public:
  /// `force`: what is there is done again, once.
  FolderClaims(std::string directory, bool force, Status& status);

  Claim claim(const Task& task) override;
  bool is_elsewhere(const Task&) override { return false; }
  void confirm(const Task&) override {}
  void finished(const Task& task) override;
  void failed(const Task&, const std::string&) override {}
  void give_back(const Task&) override {}
  void beat() override {}

 private:
  std::string directory_;
  bool force_;
  Status& status_;
  std::set<std::string> own_;  // finished by this run
};

}  // namespace apportion
