#include "coordinator/report/html/markup.h"

#include <fmt/format.h>

#include "shared/base/error.h"
#include "shared/base/utf8.h"

namespace apportion {

std::string escaped(std::string_view text) {
  std::string safe;
  const std::string valid = storable_text(text);
  for (size_t i = 0; i < valid.size(); ++i) {
    const auto byte = static_cast<unsigned char>(valid[i]);
    // C1 controls are U+0080 to U+009F: C2 80 to C2 9F.
    const bool c1 = byte == 0xC2 && i + 1 < valid.size() && static_cast<unsigned char>(valid[i + 1]) < 0xA0;
    const bool blank = byte == '\n' || byte == '\t';
    if ((byte < 0x20 && !blank) || byte == 0x7F || c1) {
      safe += "\xEF\xBF\xBD";
      i += c1 ? 1 : 0;
    } else if (byte == '&') {
      safe += "&amp;";
    } else if (byte == '<') {
      safe += "&lt;";
    } else if (byte == '>') {
      safe += "&gt;";
    } else if (byte == '"') {
      safe += "&quot;";
    } else if (byte == '\'') {
      safe += "&#39;";
    } else {
      safe += valid[i];
    }
  }
  return safe;
}

void Markup::start(const char* tag, Attributes attributes) {
  text_ += '<';
  text_ += tag;
  for (const auto& [key, value] : attributes) {
    text_ += ' ';
    text_ += key;
    text_ += "=\"" + escaped(value) + '"';
  }
}

Markup& Markup::open(const char* tag, Attributes attributes) {
  start(tag, attributes);
  text_ += '>';
  open_.push_back(tag);
  return *this;
}

Markup& Markup::close() {
  ensure(!open_.empty(), "a tag that is closed was opened");
  const std::string tag = open_.back();
  open_.pop_back();
  text_ += "</" + tag + ">";
  // Lines short enough for an editor; no break where it would show as a blank.
  if (tag == "tr" || tag == "div" || tag == "p" || tag == "figure" || tag == "head") text_ += '\n';
  return *this;
}

Markup& Markup::element(const char* tag, Attributes attributes, std::string_view text) {
  return open(tag, attributes).text(text).close();
}

Markup& Markup::empty(const char* tag, Attributes attributes) {
  start(tag, attributes);
  text_ += "/>";
  return *this;
}

Markup& Markup::text(std::string_view text) {
  text_ += escaped(text);
  return *this;
}

Markup& Markup::name(std::string_view text) { return element("bdi", {}, text); }

Markup& Markup::raw(std::string_view text) {
  text_ += text;
  return *this;
}

const std::string& Markup::finished() const {
  ensure(open_.empty(), "every tag of a page is closed");
  return text_;
}

std::string coordinate(double value, int decimals) { return fmt::format("{:.{}f}", value, decimals); }

std::string percent(double value) { return fmt::format("{:.3f}%", value); }

}  // namespace apportion
