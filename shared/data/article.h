// English's indefinite article, chosen by the sound that a spelling stands for.
#pragma once

#include <string>

namespace apportion {

/// "a" or "an" in front of `noun`: "an hour", "a university", "an IT technician", "a UK firm", "an X-ray".
std::string with_article(const std::string& noun);

}  // namespace apportion
