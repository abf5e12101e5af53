#include "shared/base/standard_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "shared/base/error.h"

namespace apportion {

void open_standard_descriptors() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    // open() takes the lowest free descriptor, which is this one.
    if (::open("/dev/null", O_RDWR) != descriptor) {
      throw UserError(std::string("descriptor ") + std::to_string(descriptor) +
                      " is closed, and /dev/null cannot be opened instead");
    }
  }
}

void print_output(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (std::fflush(stdout) != 0 || !written) {
    throw UserError(std::string("cannot write to standard output: ") + std::strerror(errno));
  }
}

}  // namespace apportion
