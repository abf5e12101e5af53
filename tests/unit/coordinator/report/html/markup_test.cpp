// HTML and SVG as text: nothing in a name becomes markup, and every tag is closed.
#include "coordinator/report/html/markup.h"

#include <gtest/gtest.h>

#include "coordinator/report/html/page_style.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

TEST(Markup, EscapesWhatWouldBeMarkup) {
  EXPECT_EQ(escaped("<script>&\"'"), "&lt;script&gt;&amp;&quot;&#39;");
  EXPECT_EQ(escaped("حداد 🧑 é"), "حداد 🧑 é");
  EXPECT_EQ(escaped(std::string("a\0b\x1b[31m\xff\xc2\x9b", 11)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD[31m\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(escaped("a\n\tb"), "a\n\tb");
}

TEST(Markup, WritesTagsInTheirOrder) {
  Markup out;
  out.open("p", {{"title", "\"><b>"}}).text("1 < 2").name("x").close();
  out.empty("circle", {{"cx", percent(12.3456)}});
  EXPECT_EQ(out.finished(),
            "<p title=\"&quot;&gt;&lt;b&gt;\">1 &lt; 2<bdi>x</bdi></p>\n<circle cx=\"12.346%\"/>");
  out.open("div");
  EXPECT_THROW(out.finished(), InternalError);
  out.close();
  EXPECT_THROW(out.close(), InternalError);
}

TEST(Markup, ThePolicyNamesTheOneScript) {
  // printf %s "$script" | openssl dgst -sha256 -binary | base64 has 44 characters, one of them =.
  const std::string policy = page_policy();
  const size_t at = policy.find("'sha256-");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(policy.substr(at + 8 + 43), "='");
  EXPECT_EQ(policy.find("default-src 'none'"), 0u);
}

}  // namespace
}  // namespace apportion
