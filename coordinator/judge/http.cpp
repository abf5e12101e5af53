#include "coordinator/judge/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr size_t most_bytes = 1 << 20;  // of a reply, which is only a word

/// Called by libcurl with each piece of a reply; a reply that is too long ends the transfer.
size_t take(char* bytes, size_t size, size_t count, void* body) {
  std::string& text = *static_cast<std::string*>(body);
  if (text.size() + size * count > most_bytes) return 0;
  text.append(bytes, size * count);
  return size * count;
}

void add(std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>& headers, const std::string& header) {
  curl_slist* longer = curl_slist_append(headers.get(), header.c_str());
  ensure(longer != nullptr, "libcurl can add a header");
  (void)headers.release();
  headers.reset(longer);
}

}  // namespace

HttpReply post(const HttpRequest& request) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(), curl_easy_cleanup);
  ensure(started == CURLE_OK && handle, "libcurl can be used");
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(nullptr, curl_slist_free_all);
  add(headers, "Content-Type: application/json");
  if (!request.key.empty()) add(headers, "Authorization: Bearer " + request.key);
  HttpReply reply;
  CURL* curl = handle.get();
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);  // other threads are running
  // OpenSSL's own variable; libcurl alone knows only where its own distribution keeps the certificates.
  if (const char* certificates = std::getenv("SSL_CERT_FILE")) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, certificates);
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.json.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.json.size()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(request.timeout_s * 1000)));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    reply.problem = curl_easy_strerror(code);
    return reply;
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
  curl_off_t wait = 0;
  if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK) {
    reply.retry_after_s = static_cast<double>(wait);
  }
  return reply;
}

}  // namespace apportion
