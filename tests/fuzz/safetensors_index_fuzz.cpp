// model.safetensors.index.json next to a model's two files: which tensor is in which file, and their rows.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shared/architecture/block.h"
#include "shared/model_files/safetensors.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/fuzz/input.h"

namespace apportion {
namespace {

ModelShape shape_of_files() {
  ModelShape shape;
  shape.architecture = "llama";
  shape.layers = 1;
  shape.width = shape.ffn_width = 8;
  shape.heads = 2;
  shape.kv_heads = 1;
  shape.head_dim = 4;
  shape.vocabulary = shape.context_length = 8;
  shape.tied_embedding = true;
  shape.set_traits();
  return shape;
}

/// a.safetensors has the block, b.safetensors the rest.
void put_files(const ModelShape& shape) {
  std::map<std::string, FloatTensor> block, rest;
  for (const auto& [name, sizes] : tensors_of(shape)) {
    size_t values = 1;
    for (const int64_t size : sizes) values *= static_cast<size_t>(size);
    (name.starts_with("model.layers.") ? block : rest)[name] = {sizes, std::vector<float>(values, 1)};
  }
  fuzz::put("a.safetensors", encode_safetensors(block, {}));
  fuzz::put("b.safetensors", encode_safetensors(rest, {}));
}

const ModelShape& shape_with_files() {
  static const ModelShape shape = [] {
    ModelShape made = shape_of_files();
    put_files(made);
    return made;
  }();
  return shape;
}

}  // namespace
}  // namespace apportion

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  const ModelShape& shape = shape_with_files();
  fuzz::put("model.safetensors.index.json", fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] {
    const std::unique_ptr<TensorReader> reader = folder_tensors(fuzz::folder(), shape);
    for (const auto& [name, sizes] : reader->tensors()) {
      std::vector<float> row(static_cast<size_t>(sizes.back()));
      reader->read_rows(name, 0, 1, row.data());
      ensure(row.front() == 1, "a tensor is read where it lies");
    }
  });
  return 0;
}
