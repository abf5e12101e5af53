// safetensors: the header, and all values.
#include "shared/model_files/safetensors.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  const std::string path = fuzz::file_of(fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] {
    const SafetensorsFile file(path);
    for (const auto& [name, place] : file.tensors()) {
      const bool inside = file.offset(place) + file.bytes(place).size() <= size;
      ensure(inside && file.bytes(place).size() == place.end - place.begin, "a tensor lies in its file");
    }
  });
  fuzz::read_or_refuse([&] { encode_safetensors(read_safetensors(path), {}); });
  return 0;
}
