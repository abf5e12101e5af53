#include "shared/store/hdf5_file.h"

#include <fcntl.h>
#include <hdf5.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/store/seal.h"

namespace apportion {
namespace {

static_assert(std::is_same_v<hid_t, int64_t>, "the header holds identifiers as int64_t");

constexpr uint64_t chunk_bytes = 1 << 20;

// Called before anything else. At the end of a process the library would try again to write what a full disk
// did not take, and crash on the way; we close everything that we open.
void prepare_library() {
  [[maybe_unused]] static const herr_t no_end_of_its_own = H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

herr_t keep_first(unsigned index, const H5E_error2_t* entry, void* text) {
  if (index == 0 && entry->desc) *static_cast<std::string*>(text) = entry->desc;
  return 0;
}

// The innermost entry of the library's error stack, on one line.
std::string library_reason() {
  std::string reason = "no reason given";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return reason;
}

int close_properties(int64_t id) { return H5Pclose(id); }
int close_file(int64_t id) { return H5Fclose(id); }
int close_group(int64_t id) { return H5Gclose(id); }
int close_object(int64_t id) { return H5Oclose(id); }
int close_dataset(int64_t id) { return H5Dclose(id); }
int close_space(int64_t id) { return H5Sclose(id); }
int close_type(int64_t id) { return H5Tclose(id); }
int close_attribute(int64_t id) { return H5Aclose(id); }

Hdf5Handle properties(hid_t kind) { return {H5Pcreate(kind), close_properties}; }

Hdf5Handle text_type() {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), close_type);
  H5Tset_size(type.id(), H5T_VARIABLE);
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  return type;
}

// Types in the file are little-endian, on any machine.
template <typename Value>
Hdf5Handle type_of() {
  if constexpr (std::is_same_v<Value, std::string>) return text_type();
  hid_t type = -1;
  if constexpr (std::is_same_v<Value, double>) type = H5T_IEEE_F64LE;
  if constexpr (std::is_same_v<Value, int32_t>) type = H5T_STD_I32LE;
  if constexpr (std::is_same_v<Value, int64_t>) type = H5T_STD_I64LE;
  if constexpr (std::is_same_v<Value, uint64_t>) type = H5T_STD_U64LE;
  if constexpr (std::is_same_v<Value, uint8_t>) type = H5T_STD_U8LE;
  return {H5Tcopy(type), close_type};
}

// Creates every object without times and with its attributes in the order they are written.
Hdf5Handle object_properties(hid_t kind) {
  Hdf5Handle list = properties(kind);
  H5Pset_obj_track_times(list.id(), false);
  H5Pset_attr_creation_order(list.id(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  return list;
}

// Chunks are runs of whole rows of the first axis.
Hdf5Handle chunked_properties(const std::vector<uint64_t>& shape, uint64_t value_bytes, bool texts) {
  std::vector<hsize_t> chunk(shape.begin(), shape.end());
  uint64_t row_bytes = value_bytes;
  for (size_t axis = 0; axis < chunk.size(); ++axis) {
    chunk[axis] = std::max<hsize_t>(chunk[axis], 1);
    if (axis > 0) row_bytes *= chunk[axis];
  }
  chunk[0] = std::clamp<hsize_t>(chunk_bytes / row_bytes, 1, chunk[0]);
  Hdf5Handle list = object_properties(H5P_DATASET_CREATE);
  H5Pset_chunk(list.id(), static_cast<int>(chunk.size()), chunk.data());
  // The library refuses checksums on texts of variable length, whose chunks only point into its heap.
  if (!texts) H5Pset_fletcher32(list.id());
  // Zeroes the unused end of the last chunk, which else holds stray memory; for texts the library always
  // does.
  if (!texts) H5Pset_fill_time(list.id(), H5D_FILL_TIME_ALLOC);
  return list;
}

// "/a/b/c" gives "/a", "/a/b", "/a/b/c".
std::vector<std::string> prefixes(const std::string& path) {
  std::vector<std::string> all;
  for (size_t end = path.find('/', 1); path.size() > 1; end = path.find('/', end + 1)) {
    all.push_back(path.substr(0, end));
    if (end == std::string::npos) break;
  }
  return all;
}

std::string parent_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The library wants a name for bytes in memory: one that no file can have and no other image uses.
std::string image_name() {
  static std::atomic<uint64_t> images = 0;
  return "/dev/null/apportion-image-" + std::to_string(++images);
}

// Reading texts, the library may ask for as much memory as the file has bytes, and no more.
struct TextBudget {
  uint64_t left;
};

void* take_text(size_t size, void* budget) {
  auto* text_budget = static_cast<TextBudget*>(budget);
  if (size > text_budget->left) return nullptr;
  text_budget->left -= size;
  return std::malloc(size);
}

void free_text(void* memory, void*) { std::free(memory); }

}  // namespace

Hdf5Writer::Hdf5Writer(const std::string& path)
    : path_(path), temporary_(temporary_name(path)), file_(-1, close_file) {
  prepare_library();
  Hdf5Handle access = properties(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access.id(), H5F_LIBVER_V110, H5F_LIBVER_V110);
#if H5_VERSION_GE(1, 10, 7)
  // There is only one writer and the name is unique: no lock is needed, and some file systems have none.
  H5Pset_file_locking(access.id(), 0, 1);
#endif
  Hdf5Handle creation = object_properties(H5P_FILE_CREATE);
  H5Pset_userblock(creation.id(), seal_size);
  file_ = Hdf5Handle(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), close_file);
  if (file_.id() >= 0) return;
  ::unlink(temporary_.c_str());  // on a full disk it may exist, empty
  fail("create the file");
}

Hdf5Writer::~Hdf5Writer() {
  file_.close();
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void Hdf5Writer::fail(const std::string& what) const {
  const std::string reason = library_reason();
  // The system's own reason is in the middle of the library's: "..., errno = 28, ...".
  constexpr std::string_view mark = "errno = ";
  if (const size_t place = reason.find(mark); place != std::string::npos)
    throw_system_error("cannot write " + path_, std::atoi(reason.c_str() + place + mark.size()));
  throw UserError("cannot write " + path_ + " (" + what + "): " + reason);
}

void Hdf5Writer::group(const std::string& path) {
  for (const std::string& prefix : prefixes(path)) {
    if (H5Lexists(file_.id(), prefix.c_str(), H5P_DEFAULT) > 0) continue;
    Hdf5Handle creation = object_properties(H5P_GROUP_CREATE);
    Hdf5Handle made(H5Gcreate2(file_.id(), prefix.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
                    close_group);
    if (made.id() < 0) fail("group " + prefix);
  }
}

void Hdf5Writer::attribute(const std::string& group, const std::string& name, std::string_view text) {
  Hdf5Handle type = text_type();
  Hdf5Handle space(H5Screate(H5S_SCALAR), close_space);
  Hdf5Handle made(H5Acreate_by_name(file_.id(), group.c_str(), name.c_str(), type.id(), space.id(),
                                    H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                  close_attribute);
  std::string stored = storable_text(text);
  const char* pointer = stored.c_str();
  if (made.id() < 0 || H5Awrite(made.id(), type.id(), &pointer) < 0)
    fail("attribute " + name + " of " + group);
}

void Hdf5Writer::attribute(const std::string& group, const std::string& name, int64_t number) {
  Hdf5Handle space(H5Screate(H5S_SCALAR), close_space);
  Hdf5Handle made(H5Acreate_by_name(file_.id(), group.c_str(), name.c_str(), H5T_STD_I64LE, space.id(),
                                    H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                  close_attribute);
  if (made.id() < 0 || H5Awrite(made.id(), H5T_NATIVE_INT64, &number) < 0)
    fail("attribute " + name + " of " + group);
}

namespace {

bool write_values(hid_t dataset, const Hdf5Handle& type, const std::vector<std::string>& values) {
  std::vector<std::string> stored;
  for (const std::string& value : values) stored.push_back(storable_text(value));
  std::vector<const char*> pointers;
  for (const std::string& text : stored) pointers.push_back(text.c_str());
  return H5Dwrite(dataset, type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()) >= 0;
}

template <typename Value>
bool write_values(hid_t dataset, const Hdf5Handle& type, const std::vector<Value>& values) {
  return H5Dwrite(dataset, type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0;
}

}  // namespace

template <typename Value>
void Hdf5Writer::dataset(const std::string& path, const Hdf5Array<Value>& array) {
  constexpr bool texts = std::is_same_v<Value, std::string>;
  uint64_t count = 1;
  for (uint64_t size : array.shape) count *= size;
  ensure(!array.shape.empty() && count == array.values.size(),
         "a dataset has as many values as its shape says");
  group(parent_of(path));
  std::vector<hsize_t> shape(array.shape.begin(), array.shape.end());
  Hdf5Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), close_space);
  Hdf5Handle type = type_of<Value>();
  Hdf5Handle creation = chunked_properties(array.shape, H5Tget_size(type.id()), texts);
  Hdf5Handle made(
      H5Dcreate2(file_.id(), path.c_str(), type.id(), space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
      close_dataset);
  if (made.id() < 0) fail("dataset " + path);
  if (count == 0) return;
  if (!write_values(made.id(), type, array.values)) fail("dataset " + path);
}

void Hdf5Writer::bytes(const std::string& path, std::string_view bytes) {
  group(parent_of(path));
  const hsize_t size = bytes.size();
  Hdf5Handle space(H5Screate_simple(1, &size, nullptr), close_space);
  Hdf5Handle creation = chunked_properties({bytes.size()}, 1, false);
  Hdf5Handle made(
      H5Dcreate2(file_.id(), path.c_str(), H5T_STD_U8LE, space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
      close_dataset);
  const bool written = made.id() >= 0 && (bytes.empty() || H5Dwrite(made.id(), H5T_STD_U8LE, H5S_ALL, H5S_ALL,
                                                                    H5P_DEFAULT, bytes.data()) >= 0);
  if (!written) fail("dataset " + path);
}

void Hdf5Writer::soft_link(const std::string& path, const std::string& target) {
  group(parent_of(path));
  if (H5Lcreate_soft(target.c_str(), file_.id(), path.c_str(), H5P_DEFAULT, H5P_DEFAULT) < 0)
    fail("link " + path);
}

void Hdf5Writer::external_link(const std::string& path, const std::string& file, const std::string& object) {
  group(parent_of(path));
  if (H5Lcreate_external(file.c_str(), object.c_str(), file_.id(), path.c_str(), H5P_DEFAULT, H5P_DEFAULT) <
      0)
    fail("link " + path);
}

void Hdf5Writer::commit(const Confirm& confirm) {
  if (!file_.close()) fail("close");
  std::string seal = make_seal(MappedFile(temporary_).bytes().substr(seal_size));
  int file = ::open(temporary_.c_str(), O_WRONLY | O_CLOEXEC);
  bool written =
      file >= 0 && ::pwrite(file, seal.data(), seal.size(), 0) == static_cast<ssize_t>(seal.size());
  int reason = errno;
  if (file >= 0) ::close(file);
  if (!written) throw_system_error("cannot write " + path_, reason);
  commit_file(temporary_, path_, confirm);
  temporary_.clear();
}

Hdf5Reader::Hdf5Reader(const std::string& path) : path_(path), file_(-1, close_file) {
  prepare_library();
  MappedFile mapped(path);
  std::string_view bytes = mapped.bytes();
  check_seal(path, bytes);
  file_size_ = bytes.size();
  // The library reads the very bytes that were checked, from memory, so it takes no lock on the file either.
  Hdf5Handle access = properties(H5P_FILE_ACCESS);
  H5Pset_fapl_core(access.id(), chunk_bytes, false);
  H5Pset_file_image(access.id(), const_cast<char*>(bytes.data()), bytes.size());
  file_ = Hdf5Handle(H5Fopen(image_name().c_str(), H5F_ACC_RDONLY, access.id()), close_file);
  if (file_.id() < 0) fail("this is not HDF5: " + library_reason());
}

void Hdf5Reader::fail(const std::string& message) const { throw DataError(path_, 0, message); }

void Hdf5Reader::require(const std::string& path) const {
  for (const std::string& prefix : prefixes(path)) {
    H5L_info_t info{};
    if (H5Lget_info(file_.id(), prefix.c_str(), &info, H5P_DEFAULT) < 0) fail(prefix + " is missing");
    // A soft or external link would lead to bytes that no seal covers.
    if (info.type != H5L_TYPE_HARD) fail(prefix + " is a link, not an object of this file");
  }
}

bool Hdf5Reader::has_attribute(const std::string& group, const std::string& name) const {
  require(group);
  return H5Aexists_by_name(file_.id(), group.c_str(), name.c_str(), H5P_DEFAULT) > 0;
}

namespace {

// Opens the attribute if it is a scalar of the wanted type.
Hdf5Handle open_attribute(const Hdf5Reader& reader, int64_t file, const std::string& group,
                          const std::string& name, const Hdf5Handle& wanted) {
  std::string where = "attribute " + name + " of " + group;
  if (!reader.has_attribute(group, name)) reader.fail(where + " is missing");
  Hdf5Handle found(H5Aopen_by_name(file, group.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
                   close_attribute);
  if (found.id() < 0) reader.fail(where + " cannot be read: " + library_reason());
  Hdf5Handle type(H5Aget_type(found.id()), close_type);
  Hdf5Handle space(H5Aget_space(found.id()), close_space);
  bool scalar = space.id() >= 0 && H5Sget_simple_extent_type(space.id()) == H5S_SCALAR;
  if (type.id() < 0 || !scalar || H5Tequal(type.id(), wanted.id()) <= 0)
    reader.fail(where + " has the wrong type");
  return found;
}

}  // namespace

std::string Hdf5Reader::text(const std::string& group, const std::string& name) const {
  Hdf5Handle type = text_type();
  Hdf5Handle found = open_attribute(*this, file_.id(), group, name, type);
  char* pointer = nullptr;
  if (H5Aread(found.id(), type.id(), &pointer) < 0) {
    fail("attribute " + name + " of " + group + " cannot be read: " + library_reason());
  }
  std::string text = pointer ? pointer : "";
  H5free_memory(pointer);
  return text;
}

int64_t Hdf5Reader::integer(const std::string& group, const std::string& name) const {
  Hdf5Handle found = open_attribute(*this, file_.id(), group, name, type_of<int64_t>());
  int64_t number = 0;
  if (H5Aread(found.id(), H5T_NATIVE_INT64, &number) < 0) {
    fail("attribute " + name + " of " + group + " cannot be read: " + library_reason());
  }
  return number;
}

std::vector<std::string> Hdf5Reader::attributes(const std::string& object) const {
  require(object);
  std::vector<std::string> names;
  auto collect = [](hid_t, const char* name, const H5A_info_t*, void* all) -> herr_t {
    static_cast<std::vector<std::string>*>(all)->push_back(name);
    return 0;
  };
  hsize_t position = 0;
  if (H5Aiterate_by_name(file_.id(), object.c_str(), H5_INDEX_CRT_ORDER, H5_ITER_INC, &position, collect,
                         &names, H5P_DEFAULT) < 0)
    fail("the attributes of " + object + " cannot be listed: " + library_reason());
  return names;
}

std::vector<std::pair<std::string, std::string>> Hdf5Reader::texts(const std::string& group) const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const std::string& name : attributes(group)) all.emplace_back(name, text(group, name));
  return all;
}

void Hdf5Writer::copy(const Hdf5Reader& from, const std::string& path) {
  // Without enough room the library's copying (1.10) may crash, so it is not started.
  if (H5Fflush(file_.id(), H5F_SCOPE_LOCAL) < 0) fail("flush");
  require_room(temporary_, 2 * from.file_size_ + chunk_bytes);
  copy(from, "/", path);
}

void Hdf5Writer::copy(const Hdf5Reader& from, const std::string& object, const std::string& path) {
  from.require(object);
  const bool is_new = H5Lexists(file_.id(), parent_of(path).c_str(), H5P_DEFAULT) <= 0 ||
                      H5Lexists(file_.id(), path.c_str(), H5P_DEFAULT) <= 0;
  if (!is_new)
    throw UserError("cannot write " + path_ + " (copy of " + from.path() + "): " + path + " is there");
  const Hdf5Handle opened(H5Oopen(from.file_.id(), object.c_str(), H5P_DEFAULT), close_object);
  const bool is_group = H5Iget_type(opened.id()) == H5I_GROUP;
  if (is_group) {
    group(path);
    for (const std::string& name : from.links(object))
      copy(from, (object == "/" ? "" : object) + "/" + name, path + "/" + name);
  } else {
    // Attributes are copied below: version 1.10 crashes on more than a few texts of variable length.
    Hdf5Handle how = properties(H5P_OBJECT_COPY);
    H5Pset_copy_object(how.id(), H5O_COPY_WITHOUT_ATTR_FLAG);
    group(parent_of(path));
    if (H5Ocopy(from.file_.id(), object.c_str(), file_.id(), path.c_str(), how.id(), H5P_DEFAULT) < 0)
      fail("copy of " + from.path() + " to " + path);
  }
  for (const std::string& name : from.attributes(object)) {
    const Hdf5Handle found(H5Aopen(opened.id(), name.c_str(), H5P_DEFAULT), close_attribute);
    const Hdf5Handle type(H5Aget_type(found.id()), close_type);
    if (H5Tget_class(type.id()) == H5T_STRING) {
      attribute(path, name, from.text(object, name));
    } else {
      attribute(path, name, from.integer(object, name));
    }
  }
}

namespace {

bool read_values(hid_t dataset, const Hdf5Handle& type, std::vector<std::string>& values,
                 uint64_t file_size) {
  TextBudget budget{file_size};
  Hdf5Handle transfer = properties(H5P_DATASET_XFER);
  H5Pset_vlen_mem_manager(transfer.id(), take_text, &budget, free_text, nullptr);
  std::vector<char*> pointers(values.size(), nullptr);
  bool whole = H5Dread(dataset, type.id(), H5S_ALL, H5S_ALL, transfer.id(), pointers.data()) >= 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (whole && pointers[i]) values[i] = pointers[i];
    std::free(pointers[i]);
  }
  return whole;
}

template <typename Value>
bool read_values(hid_t dataset, const Hdf5Handle& type, std::vector<Value>& values, uint64_t) {
  return H5Dread(dataset, type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0;
}

}  // namespace

template <typename Value>
Hdf5Array<Value> Hdf5Reader::dataset(const std::string& path) const {
  require(path);
  Hdf5Handle found(H5Dopen2(file_.id(), path.c_str(), H5P_DEFAULT), close_dataset);
  if (found.id() < 0) fail(path + " is not a dataset");
  Hdf5Handle wanted = type_of<Value>();
  Hdf5Handle type(H5Dget_type(found.id()), close_type);
  Hdf5Handle space(H5Dget_space(found.id()), close_space);
  if (type.id() < 0 || H5Tequal(type.id(), wanted.id()) <= 0) fail(path + " has the wrong type");
  hsize_t sizes[H5S_MAX_RANK] = {};
  int axes = space.id() < 0 ? -1 : H5Sget_simple_extent_dims(space.id(), sizes, nullptr);
  if (axes < 1) fail(path + " has no shape");
  Hdf5Array<Value> array;
  array.shape.assign(sizes, sizes + axes);
  uint64_t count = 1, stored = H5Dget_storage_size(found.id()) / H5Tget_size(type.id());
  for (uint64_t size : array.shape) {
    if (size != 0 && count > file_size_ / size) fail(path + " claims more values than the file can hold");
    count *= size;
  }
  if (count > stored || stored > file_size_) fail(path + " claims more values than are stored");
  array.values.resize(count);
  if (count > 0 && !read_values(found.id(), wanted, array.values, file_size_)) {
    fail(path + " cannot be read: " + library_reason());
  }
  return array;
}

std::vector<std::string> Hdf5Reader::links(const std::string& group) const {
  require(group);
  std::vector<std::string> names;
  auto collect = [](hid_t, const char* name, const H5L_info_t*, void* all) -> herr_t {
    static_cast<std::vector<std::string>*>(all)->push_back(name);
    return 0;
  };
  hsize_t position = 0;
  if (H5Literate_by_name(file_.id(), group.c_str(), H5_INDEX_NAME, H5_ITER_INC, &position, collect, &names,
                         H5P_DEFAULT) < 0) {
    fail("the links of " + group + " cannot be listed: " + library_reason());
  }
  return names;
}

std::optional<std::string> Hdf5Reader::soft_target(const std::string& path) const {
  require(parent_of(path));
  H5L_info_t info{};
  if (H5Lget_info(file_.id(), path.c_str(), &info, H5P_DEFAULT) < 0) fail(path + " is missing");
  if (info.type != H5L_TYPE_SOFT) return std::nullopt;
  if (info.u.val_size > file_size_) fail(path + " claims a target longer than the file");
  std::string target(info.u.val_size, '\0');
  if (H5Lget_val(file_.id(), path.c_str(), target.data(), target.size(), H5P_DEFAULT) < 0) {
    fail(path + " cannot be read: " + library_reason());
  }
  target.resize(std::strlen(target.c_str()));
  return target;
}

template void Hdf5Writer::dataset(const std::string&, const Hdf5Array<double>&);
template void Hdf5Writer::dataset(const std::string&, const Hdf5Array<int32_t>&);
template void Hdf5Writer::dataset(const std::string&, const Hdf5Array<uint64_t>&);
template void Hdf5Writer::dataset(const std::string&, const Hdf5Array<uint8_t>&);
template void Hdf5Writer::dataset(const std::string&, const Hdf5Array<std::string>&);
template Hdf5Array<double> Hdf5Reader::dataset(const std::string&) const;
template Hdf5Array<int32_t> Hdf5Reader::dataset(const std::string&) const;
template Hdf5Array<uint64_t> Hdf5Reader::dataset(const std::string&) const;
template Hdf5Array<uint8_t> Hdf5Reader::dataset(const std::string&) const;
template Hdf5Array<std::string> Hdf5Reader::dataset(const std::string&) const;

}  // namespace apportion
