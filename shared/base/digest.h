// SHA-256 (FIPS 180-4) of bytes and files, as lower-case hexadecimal, computed by OpenSSL.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace apportion {

/// Incremental SHA-256.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  /// Adds bytes; returns itself so that calls chain.
  Digest& add(std::string_view bytes);
  /// 64 hexadecimal characters. Ends the digest: nothing may be added afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of `bytes`, 64 hexadecimal characters.
std::string sha256(std::string_view bytes);

/// SHA-256 of a file's content. Throws UserError when it cannot be read.
std::string sha256_file(const std::string& path);

}  // namespace apportion
