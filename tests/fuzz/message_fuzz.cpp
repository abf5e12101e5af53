// Messages between ranks: what is read of bytes, and that it is written as bytes that say the same.
#include "shared/link/message.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  fuzz::read_or_refuse([&] {
    const std::string bytes = encode(decode(fuzz::text_of(data, size), 3));
    ensure(encode(decode(bytes, 3)) == bytes, "a message survives its bytes");
  });
  return 0;
}
