// What the fuzzers share. Each NAME_fuzz.cpp gives a reader of files, which anyone may have made, bytes of
// libFuzzer's choice; corpus/NAME has those that it begins with, NAME.dict words that it puts in.
//
// A reader may refuse: UserError and DataError (the process's exit code 2) are what it is to throw. All else
// ends the fuzzer where it is thrown, as do a sanitizer's complaint, a leak, 10 s, and more memory than any
// such file justifies.
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

/// The path of a file in memory with these bytes, until the next call.
std::string file_of(std::string_view bytes);

/// The path of an empty folder in memory, removed at the process's end. A crash leaves it, with its files.
const std::string& folder();

/// Writes, or replaces, a file of folder().
void put(const std::string& name, std::string_view bytes);

/// Ends the fuzzer unless each token of the text stands for a part of it; and makes a text of them again.
void through_tokens(const Tokenizer& tokenizer, const std::string& text, SpecialTokens special);

/// Ends the fuzzer unless the message is one line that a terminal only shows.
void check_line(const std::string& message);

/// Calls `read` and lets it refuse.
template <typename Read>
void read_or_refuse(Read&& read) {
  // Only these two are caught: of another the stack is still there when the fuzzer is told.
  try {
    read();
  } catch (const UserError& error) {
    check_line(error.what());
  } catch (const DataError& error) {
    check_line(error.what());
  }
}

}  // namespace apportion::fuzz
