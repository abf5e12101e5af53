// Parses GGUF's header: magic, version, counts, metadata, descriptions of tensors, then the aligned data. It
// believes nothing in the file: counts are checked against the bytes that are left before anything is
// allocated.
#include "shared/model_files/gguf_file.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <optional>
#include <regex>
#include <utility>

#include "shared/base/byte_reader.h"
#include "shared/model_files/key_rules.h"

namespace apportion {
namespace {

constexpr uint32_t longest_shape = 4;
constexpr uint64_t longest_key = 65535;
constexpr uint64_t longest_tensor_name = 64;
constexpr uint64_t default_alignment = 32;
constexpr uint64_t key_count_offset = 16;  // where a missing key would be

/// A ByteReader that can also blame places it has already passed.
class Reader : public ByteReader {
 public:
  Reader(std::string_view bytes, const std::string& path) : ByteReader(bytes, path), path_(path) {}

  [[noreturn]] void fail_at(uint64_t offset, const std::string& message) const {
    throw DataError(path_, offset, message);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

enum class Kind : uint32_t {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  float32,
  boolean,
  text,
  array,
  uint64,
  int64,
  float64
};
constexpr uint32_t kinds = 13;

/// Bytes of a value of `kind` in the file; for a text or an array, the fewest possible.
uint64_t smallest_size(Kind kind) {
  constexpr uint64_t sizes[kinds] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
  return sizes[static_cast<uint32_t>(kind)];
}

Kind read_kind(Reader& reader, const std::string& key) {
  uint64_t offset = reader.offset();
  uint32_t kind = reader.read<uint32_t>("the type of a metadata value");
  if (kind >= kinds) {
    reader.fail_at(offset,
                   "metadata key " + key + " has value type " + std::to_string(kind) + "; GGUF has 0 to 12");
  }
  return static_cast<Kind>(kind);
}

bool read_boolean(Reader& reader) {
  uint64_t offset = reader.offset();
  uint8_t value = reader.read<uint8_t>("a boolean");
  if (value > 1) reader.fail_at(offset, "a boolean is " + std::to_string(value) + "; 0 or 1 is expected");
  return value == 1;
}

/// Reads the next value as a signed integer; `kind` is an integer's or a boolean.
int64_t read_signed(Reader& reader, Kind kind) {
  constexpr const char* what = "an integer";
  switch (kind) {
    case Kind::uint8:
      return reader.read<uint8_t>(what);
    case Kind::int8:
      return reader.read<int8_t>(what);
    case Kind::uint16:
      return reader.read<uint16_t>(what);
    case Kind::int16:
      return reader.read<int16_t>(what);
    case Kind::uint32:
      return reader.read<uint32_t>(what);
    case Kind::int32:
      return reader.read<int32_t>(what);
    case Kind::int64:
      return reader.read<int64_t>(what);
    case Kind::boolean:
      return read_boolean(reader) ? 1 : 0;
    default:
      break;
  }
  ensure(kind == Kind::uint64, "an integer of an array is an integer");
  uint64_t value = reader.read<uint64_t>(what);
  if (value > uint64_t{std::numeric_limits<int64_t>::max()})
    reader.fail("an integer of an array is above 2^63 - 1");
  return static_cast<int64_t>(value);
}

double read_float(Reader& reader, Kind kind) {
  if (kind == Kind::float32) return reader.read<float>("a number");
  return reader.read<double>("a number");
}

GgufValue read_array(Reader& reader, const std::string& key) {
  Kind kind = read_kind(reader, key);
  if (kind == Kind::array)
    reader.fail("metadata key " + key + " is an array of arrays, which no model here needs");
  uint64_t count = reader.read<uint64_t>("the length of an array");
  if (count > reader.remaining() / smallest_size(kind)) {
    reader.fail("metadata key " + key + " has " + std::to_string(count) + " elements, more than the " +
                std::to_string(reader.remaining()) + " bytes left can hold");
  }
  if (kind == Kind::text) {
    std::vector<std::string> texts;
    texts.reserve(count);
    for (uint64_t i = 0; i < count; ++i) texts.emplace_back(reader.read_string("a text of an array"));
    return texts;
  }
  if (kind == Kind::float32 || kind == Kind::float64) {
    std::vector<double> numbers(count);
    for (double& number : numbers) number = read_float(reader, kind);
    return numbers;
  }
  std::vector<int64_t> integers(count);
  for (int64_t& integer : integers) integer = read_signed(reader, kind);
  return integers;
}

GgufValue read_value(Reader& reader, const std::string& key) {
  Kind kind = read_kind(reader, key);
  switch (kind) {
    case Kind::uint8:
    case Kind::uint16:
    case Kind::uint32:
      return static_cast<uint64_t>(read_signed(reader, kind));
    case Kind::uint64:
      return reader.read<uint64_t>("an integer");
    case Kind::float32:
    case Kind::float64:
      return read_float(reader, kind);
    case Kind::boolean:
      return read_boolean(reader);
    case Kind::text:
      return std::string(reader.read_string("a text"));
    case Kind::array:
      return read_array(reader, key);
    default:
      return read_signed(reader, kind);
  }
}

std::string read_name(Reader& reader, const char* what, uint64_t longest) {
  uint64_t offset = reader.offset();
  std::string_view name = reader.read_string(what);
  bool printable = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (name.empty() || name.size() > longest || !printable) {
    reader.fail_at(offset, std::string(what) + " is not 1 to " + std::to_string(longest) +
                               " printable characters without spaces");
  }
  return std::string(name);
}

std::map<std::string, GgufEntry> read_metadata(Reader& reader, uint64_t count, std::string_view file) {
  std::map<std::string, GgufEntry> metadata;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t offset = reader.offset();
    std::string key = read_name(reader, "a metadata key", longest_key);
    const uint64_t begin = reader.offset();
    GgufValue value = read_value(reader, key);
    const std::string_view bytes = file.substr(begin, reader.offset() - begin);
    if (!metadata.emplace(key, GgufEntry{std::move(value), offset, bytes}).second) {
      reader.fail_at(offset, "metadata key " + key + " appears twice");
    }
  }
  return metadata;
}

uint64_t alignment_of(const std::map<std::string, GgufEntry>& metadata, const Reader& reader) {
  auto entry = metadata.find("general.alignment");
  if (entry == metadata.end()) return default_alignment;
  const uint64_t* alignment = std::get_if<uint64_t>(&entry->second.value);
  if (alignment == nullptr || !std::has_single_bit(*alignment) || *alignment < 8 ||
      *alignment > (uint64_t{1} << 31)) {
    const std::string is = alignment == nullptr ? "no uint32" : std::to_string(*alignment);
    reader.fail_at(entry->second.offset,
                   "general.alignment is " + is + "; a power of two from 8 to 2^31 is expected");
  }
  return *alignment;
}

/// A tensor as the file describes it; its place is checked once it is known where the data begin.
struct Description {
  GgufTensor tensor;
  uint64_t data_offset = 0;  // from the beginning of the data
  uint64_t data_size = 0;
};

/// ggml's names of element types by ggml's numbers.
std::string type_name_of(uint32_t type) {
  static constexpr const char* names[] = {
      "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
      "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
      "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
      "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
      "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
      "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",    "Q1_0"};
  return type < std::size(names) ? names[type] : "that has the number " + std::to_string(type) + " in ggml";
}

TensorType read_tensor_type(Reader& reader, const std::string& name) {
  uint64_t offset = reader.offset();
  uint32_t type = reader.read<uint32_t>("the type of a tensor");
  if (const auto known = tensor_type(type)) return *known;
  std::string names;
  for (TensorType known : all_tensor_types())
    names += std::string(names.empty() ? "" : ", ") + type_name(known);
  reader.fail_at(offset, "tensor " + name + " is of the type " + type_name_of(type) + "; " + names +
                             " are supported: take the model in one of them, " +
                             "or make it so (llama-quantize --allow-requantize OLD NEW Q8_0)");
}

/// Reads the dimensions, which the file has innermost first, in reverse.
std::vector<uint64_t> read_shape(Reader& reader, const std::string& name) {
  uint64_t offset = reader.offset();
  uint32_t dims = reader.read<uint32_t>("the number of a tensor's dimensions");
  if (dims < 1 || dims > longest_shape) {
    reader.fail_at(offset,
                   "tensor " + name + " has " + std::to_string(dims) + " dimensions; 1 to 4 is expected");
  }
  std::vector<uint64_t> shape(dims);
  for (uint64_t& size : shape) size = reader.read<uint64_t>("a tensor's dimension");
  std::reverse(shape.begin(), shape.end());
  return shape;
}

/// Bytes of a tensor, or nothing when a size is 0, the product overflows or rows are not whole blocks.
std::optional<uint64_t> size_in_bytes(const GgufTensor& tensor) {
  BlockLayout layout = block_layout(tensor.type);
  uint64_t elements = 1;
  for (uint64_t size : tensor.shape) {
    if (size == 0 || elements > uint64_t{std::numeric_limits<int64_t>::max()} / layout.bytes / size)
      return {};
    elements *= size;
  }
  if (tensor.shape.back() % layout.elements != 0) return {};
  return elements / layout.elements * layout.bytes;
}

Description read_description(Reader& reader) {
  Description description;
  GgufTensor& tensor = description.tensor;
  tensor.path = reader.path();
  tensor.offset = reader.offset();
  tensor.name = read_name(reader, "a tensor's name", longest_tensor_name);
  tensor.shape = read_shape(reader, tensor.name);
  tensor.type = read_tensor_type(reader, tensor.name);
  std::optional<uint64_t> size = size_in_bytes(tensor);
  if (!size) {
    reader.fail_at(tensor.offset, "tensor " + tensor.name +
                                      " has a shape that is empty, too large or not whole blocks of " +
                                      type_name(tensor.type));
  }
  description.data_size = *size;
  description.data_offset = reader.read<uint64_t>("a tensor's offset");
  return description;
}

const GgufValue& value_of(const GgufFile& file, const std::string& key) {
  const auto entry = file.metadata.find(key);
  if (entry == file.metadata.end()) file.fail(key, "there is no metadata key " + key);
  return entry->second.value;
}

template <typename Kind>
constexpr const char* kind_name = nullptr;
template <>
constexpr const char* kind_name<std::string> = "a text";
template <>
constexpr const char* kind_name<double> = "a floating-point number";
template <>
constexpr const char* kind_name<bool> = "a boolean";
template <>
constexpr const char* kind_name<std::vector<std::string>> = "an array of texts";
template <>
constexpr const char* kind_name<std::vector<int64_t>> = "an array of integers";
template <>
constexpr const char* kind_name<std::vector<double>> = "an array of floating-point numbers";

/// What to do when a file's name says that it was cut just anywhere ("NAME.gguf.part1of2"), unlike the parts
/// of a split model, which have a header each.
std::string piece_hint(const std::string& path) {
  static const std::regex cut(R"((-\d+-of-\d+|[.-]part[-_]?\w*\d)(\.gguf)?$)");
  if (!std::regex_search(path, cut)) return "";
  return " Its name says that it is a piece of a file: join the pieces first (cat PIECE1 PIECE2 > "
         "WHOLE.gguf)";
}

/// Gives each tensor its bytes of the data, which are the file from the aligned `start` on.
void place_tensors(std::vector<Description>& descriptions, std::string_view file, uint64_t start,
                   uint64_t alignment, const Reader& reader, const std::string& hint) {
  uint64_t left = start <= file.size() ? file.size() - start : 0;
  for (Description& description : descriptions) {
    GgufTensor& tensor = description.tensor;
    if (description.data_offset % alignment != 0) {
      reader.fail_at(tensor.offset, "tensor " + tensor.name + " does not begin at a multiple of " +
                                        std::to_string(alignment));
    }
    if (description.data_offset > left || description.data_size > left - description.data_offset) {
      reader.fail_at(tensor.offset, "the " + std::to_string(description.data_size) + " bytes of tensor " +
                                        tensor.name + " reach beyond the file's end: is it complete?" + hint);
    }
    tensor.bytes = file.substr(start + description.data_offset, description.data_size);
  }
  std::sort(descriptions.begin(), descriptions.end(),
            [](const Description& a, const Description& b) { return a.data_offset < b.data_offset; });
  for (size_t i = 1; i < descriptions.size(); ++i) {
    const Description& before = descriptions[i - 1];
    if (descriptions[i].data_offset < before.data_offset + before.data_size) {
      reader.fail_at(start + descriptions[i].data_offset,
                     "tensors " + before.tensor.name + " and " + descriptions[i].tensor.name + " overlap");
    }
  }
}

std::map<std::string, GgufTensor> read_tensors(Reader& reader, uint64_t count, uint64_t alignment,
                                               std::string_view file, const std::string& hint) {
  std::vector<Description> descriptions;
  descriptions.reserve(count);
  for (uint64_t i = 0; i < count; ++i) descriptions.push_back(read_description(reader));
  uint64_t start = (reader.offset() + alignment - 1) / alignment * alignment;
  place_tensors(descriptions, file, start, alignment, reader, hint);
  std::map<std::string, GgufTensor> tensors;
  for (Description& description : descriptions) {
    std::string name = description.tensor.name;
    uint64_t offset = description.tensor.offset;
    if (!tensors.emplace(name, std::move(description.tensor)).second) {
      reader.fail_at(offset, "tensor " + name + " appears twice");
    }
  }
  return tensors;
}

/// Reads a count of the header; fails when so many things, of the smallest possible size, are more than the
/// file.
uint64_t read_count(Reader& reader, const char* what, uint64_t smallest) {
  uint64_t offset = reader.offset();
  uint64_t count = reader.read<uint64_t>(what);
  if (count > reader.remaining() / smallest) {
    reader.fail_at(offset,
                   std::string(what) + " is " + std::to_string(count) + ", more than the file has room for");
  }
  return count;
}

void check_magic(Reader& reader, const std::string& path) {
  if (reader.remaining() < 4 || reader.read_bytes(4, "the magic number") != "GGUF") {
    reader.fail_at(0, "the file does not begin with \"GGUF\": is it a GGUF file?" + piece_hint(path));
  }
  uint32_t version = reader.read<uint32_t>("the version");
  constexpr uint32_t from_the_other_end = 0x03000000;
  if (version == from_the_other_end)
    reader.fail_at(4, "the file is big-endian; only little-endian is supported: convert the model again");
  if (version != 3) {
    reader.fail_at(4, "GGUF version " + std::to_string(version) + "; only 3 is supported");
  }
}

}  // namespace

uint64_t GgufTensor::elements() const {
  uint64_t product = 1;
  for (uint64_t size : shape) product *= size;
  return product;
}

GgufFile::GgufFile(const std::string& path) : file(path) {
  Reader reader(file.bytes(), path);
  check_magic(reader, path);
  uint64_t tensor_count = read_count(reader, "the number of tensors", 33);
  uint64_t keys = read_count(reader, "the number of metadata keys", 14);
  metadata = read_metadata(reader, keys, file.bytes());
  check_keys(path, metadata);
  alignment = alignment_of(metadata, reader);
  const std::string hint = metadata.contains("split.count") ? "" : piece_hint(path);
  tensors = read_tensors(reader, tensor_count, alignment, file.bytes(), hint);
}

uint64_t GgufFile::offset(const std::string& key) const {
  const auto entry = metadata.find(key);
  return entry == metadata.end() ? key_count_offset : entry->second.offset;
}

void GgufFile::fail(const std::string& key, const std::string& message) const {
  throw DataError(path(), offset(key), message);
}

template <typename Kind>
const Kind& GgufFile::value(const std::string& key) const {
  const Kind* value = std::get_if<Kind>(&value_of(*this, key));
  if (value == nullptr) fail(key, "metadata key " + key + " is not " + kind_name<Kind>);
  return *value;
}

template const std::string& GgufFile::value(const std::string& key) const;
template const double& GgufFile::value(const std::string& key) const;
template const bool& GgufFile::value(const std::string& key) const;
template const std::vector<std::string>& GgufFile::value(const std::string& key) const;
template const std::vector<int64_t>& GgufFile::value(const std::string& key) const;
template const std::vector<double>& GgufFile::value(const std::string& key) const;

uint64_t GgufFile::integer(const std::string& key) const {
  const GgufValue& any = value_of(*this, key);
  const int64_t* with_sign = std::get_if<int64_t>(&any);
  if (with_sign != nullptr && *with_sign >= 0) return static_cast<uint64_t>(*with_sign);
  const uint64_t* natural = std::get_if<uint64_t>(&any);
  if (natural == nullptr) fail(key, "metadata key " + key + " is not an integer of at least 0");
  return *natural;
}

}  // namespace apportion
