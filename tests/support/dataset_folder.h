// A dataset folder that a test fills itself; removed together with this object.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

namespace apportion::testing {

class DatasetFolder {
 public:
  DatasetFolder() {
    static std::atomic<int> made = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("apportion_dataset_" + std::to_string(::getpid()) + "_" + std::to_string(made++));
    std::filesystem::create_directories(path_);
  }
  ~DatasetFolder() { std::filesystem::remove_all(path_); }
  DatasetFolder(const DatasetFolder&) = delete;
  DatasetFolder& operator=(const DatasetFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string path_of(const std::string& name) const { return (path_ / name).string(); }

  /// Writes a file, making its folders; returns its path.
  std::string write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_of(name);
  }

 private:
  std::filesystem::path path_;
};

/// The message of the Error that `action` throws, or "no error".
template <typename Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace apportion::testing
