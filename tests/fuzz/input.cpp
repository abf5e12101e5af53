#include "tests/fuzz/input.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace apportion::fuzz {
namespace {

void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);  // this ends the fuzzer
}

std::string make_folder() {
  std::string path = "/dev/shm/apportion_fuzz.XXXXXX";
  must(::mkdtemp(path.data()) != nullptr, "a folder in /dev/shm");
  return path;
}

}  // namespace

std::string file_of(std::string_view bytes) {
  static const int file = ::memfd_create("input", MFD_CLOEXEC);
  must(file >= 0 && ::ftruncate(file, 0) == 0, "a file in memory");
  must(::pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "its bytes");
  return "/proc/self/fd/" + std::to_string(file);
}

const std::string& folder() {
  static const std::string path = make_folder();
  [[maybe_unused]] static const int at_end = std::atexit([] {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  });
  return path;
}

void put(const std::string& name, std::string_view bytes) {
  std::ofstream file(folder() + "/" + name, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  must(!file.fail(), "a file of the folder");
}

void through_tokens(const Tokenizer& tokenizer, const std::string& text, SpecialTokens special) {
  std::vector<int32_t> ids;
  for (const TokenSpan& token : tokenizer.encode(text, special)) {
    ensure(token.begin <= token.end && token.end <= text.size(), "a token stands for a part of the text");
    ids.push_back(token.id);
  }
  tokenizer.decode(ids);
}

void check_line(const std::string& message) {
  must(!message.empty() && message == one_line(message), "an error's message is one line");
}

}  // namespace apportion::fuzz
