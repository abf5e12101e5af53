// What a request does with the environment; server_judge_test.cpp tests every kind of reply.
#include "coordinator/judge/http.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace apportion {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A port that accepts connections and sends nothing.
class SilentPort {
 public:
  SilentPort() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 4), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentPort() { ::close(socket_); }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  int socket_, port_ = 0;
};

TEST(Http, CertificatesAreThoseOfTheEnvironment) {
  const SilentPort port;
  const char* before = std::getenv("SSL_CERT_FILE");
  const std::string saved = before == nullptr ? "" : before;
  ::setenv("no_proxy", "127.0.0.1", 1);
  ::setenv("SSL_CERT_FILE", "/no/such/certificates", 1);
  EXPECT_THAT(post({port.url(), "{}", "", 0.3}).problem, HasSubstr("CA cert"));
  ::unsetenv("SSL_CERT_FILE");
  EXPECT_THAT(post({port.url(), "{}", "", 0.3}).problem, Not(HasSubstr("CA cert")));
  if (before != nullptr) ::setenv("SSL_CERT_FILE", saved.c_str(), 1);
}

}  // namespace
}  // namespace apportion
