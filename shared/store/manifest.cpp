// A checkpoint's JSON files; see manifest.h.
#include "shared/store/manifest.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

using Json = nlohmann::json;

constexpr const char* format_name = "apportion checkpoint";
constexpr uint64_t format_version = 1;
/// Larger sizes are lies; up to this no sum of two overflows.
constexpr uint64_t most_bytes = std::numeric_limits<int64_t>::max();
constexpr uint64_t most_ranks = 1'000'000;
constexpr uint64_t most_steps = 1'000'000'000;
constexpr size_t digest_characters = 64;

/// Access to an untrusted JSON object: a key that is missing or of another kind is a DataError.
class Fields {
 public:
  Fields(const Json& json, const std::string& path, std::string where)
      : json_(json), path_(path), where_(std::move(where)) {
    if (!json.is_object()) fail("is not a JSON object");
  }

  [[noreturn]] void fail(const std::string& what) const { throw DataError(path_, 0, where_ + " " + what); }

  uint64_t number(const char* key, uint64_t low, uint64_t high) const {
    const Json& value = at(key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() < low || value.get<uint64_t>() > high) {
      fail(std::string("has no ") + key + " from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return value.get<uint64_t>();
  }

  std::string text(const char* key) const {
    const Json& value = at(key);
    if (!value.is_string()) fail(std::string("has no text ") + key);
    return value.get<std::string>();
  }

  std::vector<uint64_t> numbers(const char* key) const {
    std::vector<uint64_t> values;
    for (const Json& value : array(key)) {
      if (!value.is_number_unsigned() || value.get<uint64_t>() > most_bytes) {
        fail(std::string("has in ") + key + " what is not a natural number below 2^63");
      }
      values.push_back(value.get<uint64_t>());
    }
    return values;
  }

  std::vector<std::string> digests(const char* key) const {
    std::vector<std::string> values;
    for (const Json& value : array(key)) {
      if (!value.is_string() || value.get_ref<const std::string&>().size() != digest_characters) {
        fail(std::string("has in ") + key + " what is not a SHA-256");
      }
      values.push_back(value.get<std::string>());
    }
    return values;
  }

  const Json& array(const char* key) const {
    const Json& value = at(key);
    if (!value.is_array()) fail(std::string("has no list ") + key);
    return value;
  }

 private:
  const Json& at(const char* key) const {
    auto found = json_.find(key);
    if (found == json_.end()) fail(std::string("has no ") + key);
    return *found;
  }

  const Json& json_;
  const std::string& path_;
  std::string where_;
};

void check_format(const Fields& fields) {
  if (fields.text("format") != format_name) fields.fail("is not of an " + std::string(format_name));
  uint64_t version = fields.number("version", 0, most_bytes);
  if (version != format_version) {
    fields.fail("is of version " + std::to_string(version) + "; this program reads version " +
                std::to_string(format_version));
  }
}

uint64_t digests_of(uint64_t bytes) { return (bytes + digest_block - 1) / digest_block; }

ElementType parse_type(const Fields& fields) {
  const std::string name = fields.text("type");
  for (ElementType type : {ElementType::float32, ElementType::float64}) {
    if (name == name_of(type)) return type;
  }
  fields.fail("has the type " + printable(name) + "; float32 and float64 are known");
}

/// One slice of a manifest whose earlier slices end at `end`.
SlicePlace parse_slice(const Json& json, const std::string& path, size_t index, uint64_t end) {
  Fields fields(json, path, "slice " + std::to_string(index));
  SlicePlace slice;
  slice.tensor = {fields.text("name"), parse_type(fields), fields.numbers("shape")};
  if (slice.tensor.shape.empty()) fields.fail("has a shape without an axis");
  const std::vector<uint64_t> rows = fields.numbers("rows");
  if (rows.size() != 2 || rows[0] > rows[1] || rows[1] > slice.tensor.rows()) {
    fields.fail("has rows that are not a part of its tensor's " + std::to_string(slice.tensor.rows()));
  }
  slice.first = rows[0];
  slice.last = rows[1];
  uint64_t row_bytes = 0;
  try {
    row_bytes = slice.tensor.row_bytes();
  } catch (const std::overflow_error& error) {
    fields.fail(error.what());
  }
  const uint64_t count = slice.last - slice.first;
  if (count != 0 && row_bytes > most_bytes / count) fields.fail("has more than 2^63 bytes");
  slice.bytes = fields.number("bytes", 0, most_bytes);
  if (slice.bytes != count * row_bytes) {
    fields.fail("has " + std::to_string(slice.bytes) + " bytes; its rows have " +
                std::to_string(count * row_bytes));
  }
  slice.offset = fields.number("offset", 0, most_bytes);
  if (slice.offset != aligned(end) || slice.bytes > most_bytes - slice.offset) {
    fields.fail("begins at byte " + std::to_string(slice.offset) + "; the one before ends at " +
                std::to_string(end));
  }
  slice.digests = fields.digests("sha256");
  if (slice.digests.size() != digests_of(slice.bytes)) {
    fields.fail("has " + std::to_string(slice.digests.size()) + " digests; its bytes have " +
                std::to_string(digests_of(slice.bytes)));
  }
  return slice;
}

}  // namespace

const char* name_of(ElementType type) { return type == ElementType::float32 ? "float32" : "float64"; }

uint64_t CheckpointTensor::row_bytes() const {
  uint64_t bytes = type == ElementType::float32 ? 4 : 8;
  for (size_t axis = 1; axis < shape.size(); ++axis) {
    if (shape[axis] != 0 && bytes > most_bytes / shape[axis])
      throw std::overflow_error("has rows of more than 2^63 bytes");
    bytes *= shape[axis];
  }
  return bytes;
}

uint64_t Manifest::data_bytes() const {
  return slices.empty() ? 0 : slices.back().offset + slices.back().bytes;
}

uint64_t aligned(uint64_t offset) {
  return (offset + slice_alignment - 1) / slice_alignment * slice_alignment;
}

std::string encode_manifest(const Manifest& manifest) {
  Json slices = Json::array();
  for (const SlicePlace& slice : manifest.slices) {
    slices.push_back({{"name", slice.tensor.name},
                      {"type", name_of(slice.tensor.type)},
                      {"shape", slice.tensor.shape},
                      {"rows", {slice.first, slice.last}},
                      {"offset", slice.offset},
                      {"bytes", slice.bytes},
                      {"sha256", slice.digests}});
  }
  Json json = {{"format", format_name},      {"version", format_version}, {"step", manifest.step},
               {"rank", manifest.rank},      {"ranks", manifest.ranks},   {"digest_block", digest_block},
               {"slices", std::move(slices)}};
  return json.dump(1) + "\n";
}

Manifest parse_manifest(std::string_view bytes, const std::string& path) {
  const Json json = Json::parse(bytes, nullptr, false);
  Fields fields(json, path, "the manifest");
  check_format(fields);
  Manifest manifest;
  manifest.step = fields.number("step", 0, most_steps);
  manifest.ranks = fields.number("ranks", 1, most_ranks);
  manifest.rank = fields.number("rank", 0, manifest.ranks - 1);
  fields.number("digest_block", digest_block, digest_block);
  for (const Json& slice : fields.array("slices")) {
    manifest.slices.push_back(parse_slice(slice, path, manifest.slices.size(), manifest.data_bytes()));
  }
  return manifest;
}

std::string encode_completion(const Completion& completion) {
  Json json = {{"format", format_name},
               {"version", format_version},
               {"identity", completion.identity},
               {"step", completion.step},
               {"ranks", completion.manifests.size()},
               {"manifests", completion.manifests}};
  const std::string line = json.dump();
  return line + "\n" + sha256(line) + "\n";
}

Completion parse_completion(std::string_view bytes, const std::string& path) {
  const std::string_view line = bytes.substr(0, bytes.find('\n'));
  if (bytes.substr(line.size()) != "\n" + sha256(line) + "\n") {
    throw DataError(path, line.size(),
                    "the second line is not the SHA-256 of the first: the file is damaged");
  }
  const Json json = Json::parse(line, nullptr, false);
  Fields fields(json, path, "the first line");
  check_format(fields);
  Completion completion;
  completion.identity = fields.text("identity");
  completion.step = fields.number("step", 0, most_steps);
  completion.manifests = fields.digests("manifests");
  const uint64_t ranks = fields.number("ranks", 1, most_ranks);
  if (completion.manifests.size() != ranks) {
    fields.fail("has " + std::to_string(completion.manifests.size()) + " digests of manifests for " +
                std::to_string(ranks) + " ranks");
  }
  return completion;
}

}  // namespace apportion
