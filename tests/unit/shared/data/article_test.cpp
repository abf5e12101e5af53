// "a" or "an" by sound.
#include "shared/data/article.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(Article, FollowsTheSound) {
  for (const char* noun :
       {"a civil engineer", "an office manager", "an IT technician", "an hour", "an honest judge",
        "a university teacher", "a user", "a UK firm", "a European", "an X-ray operator", "a one-man band",
        "an usher", "an unemployed actor", "an uninsured driver", "a NASA engineer", "an HGV driver", "a GP",
        "an 18-year-old", "a 20-year-old"}) {
    const std::string phrase = noun;
    EXPECT_EQ(with_article(phrase.substr(phrase.find(' ') + 1)), phrase);
  }
}

}  // namespace
}  // namespace apportion
