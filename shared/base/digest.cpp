#include "shared/base/digest.h"

#include <openssl/evp.h>

#include <array>

#include "shared/base/error.h"
#include "shared/base/file_system.h"

namespace apportion {

namespace {

/// Looked up once, because a sweep's plan hashes tens of thousands of short texts.
const EVP_MD* algorithm() {
  static const EVP_MD* sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return sha256;
}

}  // namespace

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    ensure(context && EVP_DigestInit_ex(context, algorithm(), nullptr) == 1, "SHA-256 is available");
  }
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest() : state_(std::make_unique<State>()) {}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

Digest& Digest::add(std::string_view bytes) {
  ensure(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "SHA-256 takes bytes");
  return *this;
}

std::string Digest::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  ensure(EVP_DigestFinal_ex(state_->context, bytes.data(), &size) == 1, "SHA-256 ends once");
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

std::string sha256(std::string_view bytes) { return Digest().add(bytes).hex(); }

std::string sha256_file(const std::string& path) { return sha256(MappedFile(path).bytes()); }

}  // namespace apportion
