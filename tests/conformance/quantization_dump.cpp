// Unpacks blocks of a GGUF type, for quantization_test.py: `quantization_dump NUMBER < BLOCKS > FLOATS`,
// where NUMBER is ggml's number for the type; or packs them: `quantization_dump NUMBER pack < FLOATS >
// BLOCKS`. Floats are raw, in the machine's byte order.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "shared/model_files/quantization.h"

int main(int argc, char** argv) {
  using namespace apportion;
  const auto type = tensor_type(argc >= 2 ? static_cast<uint32_t>(std::atoi(argv[1])) : UINT32_MAX);
  if (!type) return 2;
  const std::string bytes{std::istreambuf_iterator<char>(std::cin), {}};
  const BlockLayout layout = block_layout(*type);
  if (argc == 3) {
    std::vector<float> given(bytes.size() / sizeof(float));
    std::memcpy(given.data(), bytes.data(), given.size() * sizeof(float));
    std::string blocks(given.size() / layout.elements * layout.bytes, '\0');
    quantize(*type, given.data(), given.size(), blocks.data());
    std::fwrite(blocks.data(), 1, blocks.size(), stdout);
    return 0;
  }
  std::vector<float> values(bytes.size() / layout.bytes * layout.elements);
  dequantize(*type, bytes, values.size(), values.data());
  std::fwrite(values.data(), sizeof(float), values.size(), stdout);
  return 0;
}
