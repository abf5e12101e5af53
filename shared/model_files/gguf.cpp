// Finds the parts of a split model by their names and checks them against each other: parts of two models, or
// of two versions of one, are easily mixed in a folder.
#include "shared/model_files/gguf.h"

#include <fmt/format.h>

#include <utility>

#include "shared/base/digest.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr const char *number_key = "split.no", *count_key = "split.count", *sum_key = "split.tensors.count",
                     *alignment_key = "general.alignment";
constexpr uint64_t most_parts = 65535;       // split.count is a uint16
constexpr uint64_t tensor_count_offset = 8;  // of the tensor count in a file

/// Raised when the digest of parts is computed another way.
constexpr const char* parts_revision = "gguf parts 1";

/// How the name of a part ends. Its number counts from 0 in the file, and from 1 in the name.
std::string end_of_name(uint64_t number, uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

uint64_t count_of_parts(const GgufFile& file) {
  if (!file.metadata.contains(count_key)) return 1;
  const uint64_t count = file.integer(count_key);
  if (count > most_parts)
    file.fail(count_key, fmt::format("split.count is {}; up to {} is expected", count, most_parts));
  return count;
}

/// The paths of all parts, from that of one.
std::vector<std::string> paths_of_parts(const GgufFile& given) {
  const uint64_t count = count_of_parts(given), number = given.integer(number_key);
  if (number >= count)
    given.fail(number_key,
               fmt::format("split.no is {}, and by split.count there are {} parts; 0 to {} is expected",
                           number, count, count - 1));
  const std::string end = end_of_name(number, count);
  if (!given.path().ends_with(end)) {
    given.fail(number_key, fmt::format("the file is part {} of {} (split.no, split.count), but its name does "
                                       "not end in {}, and parts are found by their names; rename them back",
                                       number + 1, count, end));
  }
  const std::string name = given.path().substr(0, given.path().size() - end.size());
  std::vector<std::string> paths;
  std::vector<uint64_t> missing;
  for (uint64_t part = 0; part < count; ++part) {
    paths.push_back(name + end_of_name(part, count));
    if (!is_regular_file(paths.back())) missing.push_back(part);
  }
  if (!missing.empty()) {
    const std::string others = missing.size() == 1 ? "" : fmt::format(", and {} more", missing.size() - 1);
    given.fail(count_key,
               fmt::format("of the model's {} parts (split.count), missing: {}{}; put them all there", count,
                           paths[missing.front()], others));
  }
  return paths;
}

/// Checks that a part is the one its name says, and of the same model as the first part, which has the
/// model's metadata. This goes only as far as a part tells: other parts have nothing but these keys, so parts
/// of two trainings of one base, cut in the same way, cannot be told apart.
void check_part(const GgufFile& first, const GgufFile& part, uint64_t number) {
  if (const uint64_t said = part.integer(number_key); said != number) {
    part.fail(number_key, fmt::format("split.no is {}, but by its name the file is part {}, which has {}",
                                      said, number + 1, number));
  }
  for (const char* key : {count_key, sum_key}) {
    const uint64_t said = part.integer(key), wanted = first.integer(key);
    if (said != wanted) {
      part.fail(key, fmt::format("{} is {}, and {} in {}: they are not parts of one model", key, said, wanted,
                                 first.path()));
    }
  }
  // Anything else in a part must match the first part: nobody reads it here.
  for (const auto& [key, entry] : part.metadata) {
    if (key == number_key || key == alignment_key) continue;
    const auto found = first.metadata.find(key);
    if (found == first.metadata.end() || found->second.value != entry.value) {
      part.fail(key,
                fmt::format("metadata key {} is not what {} has, the part with the model's metadata: they "
                            "are not parts of one model",
                            key, first.path()));
    }
  }
  // For a part without this key some programs take the first part's value, and others 32.
  if (part.alignment != first.alignment) {
    part.fail(
        alignment_key,
        fmt::format(
            "the data are aligned to {} (general.alignment), and to {} in {}; all parts must have the same",
            part.alignment, first.alignment, first.path()));
  }
}

/// Moves a part's tensors to those of the first.
void take_tensors(GgufFile& first, GgufFile& part) {
  first.tensors.merge(part.tensors);
  if (part.tensors.empty()) return;
  const GgufTensor& again = part.tensors.begin()->second;
  const GgufTensor& before = first.tensors.at(again.name);
  throw DataError(
      again.path, again.offset,
      fmt::format("tensor {} appears twice, also in {}, byte {}", again.name, before.path, before.offset));
}

std::vector<GgufFile> open_parts(const std::vector<std::string>& paths) {
  std::vector<GgufFile> files;
  files.reserve(paths.size());
  for (uint64_t number = 0; number < paths.size(); ++number) {
    files.emplace_back(paths[number]);
    check_part(files.front(), files.back(), number);
    if (number > 0) take_tensors(files.front(), files.back());
  }
  const GgufFile& first = files.front();
  if (const uint64_t sum = first.integer(sum_key); sum != first.tensors.size()) {
    first.fail(sum_key, fmt::format("split.tensors.count is {}, but the {} parts have {} tensors together",
                                    sum, paths.size(), first.tensors.size()));
  }
  return files;
}

}  // namespace

Gguf::Gguf(const std::string& path) {
  GgufFile given(path);
  if (count_of_parts(given) > 1) {
    files_ = open_parts(paths_of_parts(given));
  } else {
    files_.push_back(std::move(given));
  }
}

void Gguf::fail(const std::string& key, const std::string& message) const {
  files_.front().fail(key, message);
}

const GgufTensor& Gguf::tensor(const std::string& name) const {
  auto found = tensors().find(name);
  if (found == tensors().end()) {
    const std::string where = files_.size() == 1 ? "" : fmt::format(" in any of the {} parts", files_.size());
    throw DataError(path(), tensor_count_offset, "there is no tensor " + name + where);
  }
  return found->second;
}

std::string Gguf::digest() const {
  if (files_.size() == 1) return sha256(files_.front().file.bytes());
  Digest digest;
  digest.add(parts_revision);
  for (const GgufFile& part : files_) {
    const std::string_view bytes = part.file.bytes();
    digest.add("\n" + std::to_string(bytes.size()) + "\n").add(bytes);
  }
  return digest.hex();
}

}  // namespace apportion
