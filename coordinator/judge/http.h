// One POST request over HTTP(S): the only place that opens libcurl. What is sent and what a reply means is
// server_judge.h's.
#pragma once

#include <string>

namespace apportion {

/// What came back. `status` is HTTP's, 0 when no reply came; then `problem` says why.
struct HttpReply {
  long status = 0;
  std::string body, problem;
  double retry_after_s = 0;  // how long the server asks to wait, 0 when it does not
};

struct HttpRequest {
  std::string url;
  std::string json;  // the body
  std::string key;   // sent as a bearer token; empty: none. In no reply and in no problem
  double timeout_s = 30;
};

/// Never throws for what the network or the server does. A redirection is not followed: a key goes to the
/// host that it was given for and to no other.
HttpReply post(const HttpRequest& request);

}  // namespace apportion
