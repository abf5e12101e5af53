#include "coordinator/report/html/page_frame.h"

#include "coordinator/report/html/page_style.h"
#include "shared/config/version.h"

namespace apportion {

void open_page(Markup& out, const std::string& title, int refresh_s) {
  out.raw("<!doctype html>\n").open("html", {{"lang", "en"}}).open("head");
  out.raw(
      "<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
  out.empty("meta", {{"http-equiv", "Content-Security-Policy"}, {"content", page_policy()}});
  if (refresh_s > 0) out.empty("meta", {{"http-equiv", "refresh"}, {"content", std::to_string(refresh_s)}});
  out.element("title", {}, title + " · apportion");
  out.open("style").raw(page_style).close();
  out.close().open("body");
}

void write_lead(Markup& out, const std::string& asked, const std::string& outcome) {
  out.open("p", {{"class", "lead"}}).element("b", {}, "Asked: ").name(asked).close();
  out.open("p", {{"class", "lead"}}).element("b", {}, "Came out: ").name(outcome).close();
}

void write_terms(Markup& out, const std::string& summary,
                 const std::vector<std::pair<std::string, std::string>>& terms) {
  out.open("details", {{"class", "words"}}).open("summary").text(summary).close().open("dl");
  for (const auto& [term, meaning] : terms) out.element("dt", {}, term).element("dd", {}, meaning);
  out.close().close();
}

void open_origin(Markup& out, const std::string& directory) {
  const VersionInfo& version = version_info();
  out.open("p", {{"class", "soft"}}).text("From the files of ");
  out.open("code").name(directory).close();
  out.text(" by apportion " + version.program + ", " + version.git_commit + ". ");
}

void close_page(Markup& out) { out.open("script").raw(page_script).close().close().close(); }

}  // namespace apportion
