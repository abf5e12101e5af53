// Helpers for the fuzzers. Each NAME_fuzz.cpp gives bytes chosen by libFuzzer to a reader of files that
// anyone may have made; corpus/NAME has the bytes it begins with, NAME.dict words that it inserts.
//
// A reader may refuse its input by throwing UserError or DataError (exit code 2 of the process). Anything
// else ends the fuzzer where it is thrown, as do a sanitizer's complaint, a leak, 10 s, and more memory than
// any such file justifies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/tokens/tokenizer.h"

namespace apportion::fuzz {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// The path of an in-memory file with these bytes, valid until the next call.
std::string file_of(std::string_view bytes);

/// The path of an empty in-memory folder, removed at process exit. After a crash it stays, with its files.
const std::string& folder();

/// Writes or replaces a file in folder().
void put(const std::string& name, std::string_view bytes);

/// Ends the fuzzer unless each token of the text stands for a part of it; also decodes the tokens.
void through_tokens(const Tokenizer& tokenizer, const std::string& text, SpecialTokens special);

/// Ends the fuzzer unless the message is one line that a terminal just displays.
void check_line(const std::string& message);

/// Calls `read` and lets it refuse its input.
template <typename Read>
void read_or_refuse(Read&& read) {
  // Only these two are caught: for any other the fuzzer still sees the stack.
  try {
    read();
  } catch (const UserError& error) {
    check_line(error.what());
  } catch (const DataError& error) {
    check_line(error.what());
  }
}

}  // namespace apportion::fuzz
