// The lock that one run holds on its results folder: flock, or where the file system has none a file that
// tells who holds it.
#pragma once

#include <string>

namespace apportion {

/// Holds DIRECTORY as long as it lives. With flock on DIRECTORY/lock a killed process frees it. Where flock
/// fails for what the file system is (ENOSYS, ENOLCK, EOPNOTSUPP), the lock is the file DIRECTORY/lock.held,
/// made exclusively, with its holder's process, that one's start, and host: one whose holder is gone is
/// taken over, as far as that can be seen from this host.
class DirectoryLock {
 public:
  /// Throws UserError that names the holder's process when another one has the lock, and the system's reason
  /// when there can be none.
  explicit DirectoryLock(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int file_ = -1;     // with flock
  std::string held_;  // else lock.held's path
};

}  // namespace apportion
