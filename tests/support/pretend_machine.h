// Files of an invented machine (/proc, /sys) below a folder of a test's own, removed with it.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/support/dataset_folder.h"

namespace apportion::testing {

class PretendMachine : public ::testing::Test {
 protected:
  /// `path` as on a machine, "/proc/meminfo".
  void put(const std::string& path, const std::string& text) const { folder_.write(path.substr(1), text); }

 private:
  const DatasetFolder folder_;

 protected:
  const std::string root_ = folder_.path();
};

}  // namespace apportion::testing
