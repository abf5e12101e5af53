#include "coordinator/report/html/page_frame.h"

#include "coordinator/report/html/page_style.h"

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

void close_page(Markup& out) { out.open("script").raw(page_script).close().close().close(); }

}  // namespace apportion
