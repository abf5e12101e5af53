// config.json: the shape that it describes, its text, and the tensors that a model of that shape has.
#include "shared/model_files/folder/config_json.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  const std::string path = fuzz::file_of(fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] {
    const ModelShape shape = read_config(path);
    shape.parameters();
    synthetic_tensors(shape);
  });
  return 0;
}
