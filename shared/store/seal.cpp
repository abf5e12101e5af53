#include "shared/store/seal.h"

#include "shared/base/digest.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr std::string_view magic = "apportion sealed HDF5, version 1\n";

std::string size_line(size_t body_size) {
  return "bytes after the first 512: " + std::to_string(body_size) + "\n";
}

}  // namespace

std::string make_seal(std::string_view body) {
  std::string seal(magic);
  seal += size_line(body.size());
  seal += "sha256 of them: " + sha256(body) + "\n";
  seal.resize(seal_size, '\0');
  return seal;
}

void check_seal(const std::string& path, std::string_view bytes) {
  if (bytes.substr(0, magic.size()) != magic) {
    throw DataError(path, 0, "this is not a file that apportion wrote, or its first bytes are damaged");
  }
  if (bytes.size() < seal_size) {
    throw DataError(path, bytes.size(), "the file ends inside its first 512 bytes");
  }
  std::string_view body = bytes.substr(seal_size);
  std::string line = size_line(body.size());
  if (bytes.substr(magic.size(), line.size()) != line) {
    throw DataError(path, bytes.size(),
                    "the file does not have the size that its first lines state: it was cut or extended");
  }
  if (bytes.substr(0, seal_size) != make_seal(body)) {
    throw DataError(path, seal_size,
                    "the content does not match the SHA-256 in the first lines: the file is damaged");
  }
}

}  // namespace apportion
