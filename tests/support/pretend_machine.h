// Files of an invented machine (/proc, /sys) in a test's own folder, removed together with this object.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/support/dataset_folder.h"

namespace apportion::testing {

class PretendMachine : public ::testing::Test {
 protected:
  /// Writes a file; `path` is as on a real machine, such as "/proc/meminfo".
  void put(const std::string& path, const std::string& text) const { folder_.write(path.substr(1), text); }

 private:
  const DatasetFolder folder_;

 protected:
  const std::string root_ = folder_.path();
};

}  // namespace apportion::testing
