// Messages between ranks: what is read from bytes, and that writing it gives bytes with the same meaning.
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
