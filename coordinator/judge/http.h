// One POST request over HTTP(S): the only place that uses libcurl. server_judge.h decides what is sent and
// what a reply means.
#pragma once

#include <string>

namespace apportion {

/// A reply. `status` is HTTP's; 0 when no reply came, and `problem` says why.
struct HttpReply {
  long status = 0;
  std::string body, problem;
  double retry_after_s = 0;  // how long the server asks to wait, 0: it does not
};

struct HttpRequest {
  std::string url;
  std::string json;  // the body
  std::string key;   // sent as a bearer token; empty: none. Never appears in a reply or problem
  double timeout_s = 30;
};

/// Never throws for what the network or the server does. Follows no redirections: a key goes only to the host
/// that it was given for.
HttpReply post(const HttpRequest& request);

}  // namespace apportion
