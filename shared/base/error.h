// The kinds of error a user can meet, and the checks that raise them.
//
// Every message is one line: what is wrong, where (file, key, byte offset, rank), what would be right.
// How an error ends the job is decided in one place, apportion.cpp; nothing else calls exit.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace apportion {

/// The length in bytes of the control character at `place` if there is one, which a terminal would obey: a
/// line break and the like, or U+0080 to U+009F in UTF-8, which some terminals obey too. 0 for any other
/// character.
inline size_t control_length(std::string_view text, size_t place) {
  const auto sign = static_cast<unsigned char>(text[place]);
  if (sign < 0x20 || sign == 0x7F) return 1;
  if (sign != 0xC2 || place + 1 == text.size()) return 0;
  const auto next = static_cast<unsigned char>(text[place + 1]);
  return next >= 0x80 && next < 0xA0 ? 2 : 0;
}

/// `text` on one line: line breaks, and anything else that a terminal obeys, become blanks.
inline std::string one_line(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    for (size_t left = control_length(text, i); left > 0; --left) text[i + left - 1] = ' ';
  }
  return text;
}

/// Base of all errors of this project. `exit_code` is what the process exits with. A message may quote a
/// stranger's file, whose names may hold anything.
class Error : public std::runtime_error {
 public:
  Error(const std::string& message, int exit_code)
      : std::runtime_error(one_line(message)), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

/// The user's input is wrong (command line, job file, dataset folder, a path). Exit code 2.
class UserError : public Error {
 public:
  explicit UserError(const std::string& message) : Error(message, 2) {}
};

/// A model or dataset is not on this machine. Exit code 2.
class MissingError : public UserError {
 public:
  using UserError::UserError;
};

/// Storage for results takes nothing more (it is full, read-only, or failing): not the task's fault, and no
/// other task would fare better. Exit code 2.
class StorageError : public UserError {
 public:
  using UserError::UserError;
};

/// Throws "WHAT: reason" for the system's error number, as a StorageError when it is one.
[[noreturn]] inline void throw_system_error(const std::string& what, int error) {
  const std::string line = what + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EROFS || error == EIO) throw StorageError(line);
  throw UserError(line);
}

/// A file is damaged or lies about itself. Exit code 2. The message reads "FILE, byte OFFSET: MESSAGE".
class DataError : public Error {
 public:
  DataError(const std::string& path, uint64_t offset, const std::string& message)
      : Error(path + ", byte " + std::to_string(offset) + ": " + message, 2), path_(path), offset_(offset) {}
  const std::string& path() const { return path_; }
  uint64_t offset() const { return offset_; }

 private:
  std::string path_;
  uint64_t offset_;
};

/// A rank failed, or an operation between ranks did (time-out, lost peer). Exit code 1. `rank` is the world
/// rank to blame, -1 when unknown.
class RankError : public Error {
 public:
  RankError(int rank, const std::string& message) : Error(message, 1), rank_(rank) {}
  int rank() const { return rank_; }

 private:
  int rank_;
};

/// A contract of our own code is broken: a bug here, never the user's fault. Exit code 3.
class InternalError : public Error {
 public:
  explicit InternalError(const std::string& message) : Error("internal error: " + message, 3) {}
};

/// Throws InternalError unless `condition` holds. `what` states the contract.
inline void ensure(bool condition, const char* what) {
  if (!condition) throw InternalError(what);
}

}  // namespace apportion
