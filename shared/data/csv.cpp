#include "shared/data/csv.h"

#include <string_view>

#include "shared/data/text_file.h"

namespace apportion {
namespace {

/// The separator between cells: the header's first comma, semicolon (which spreadsheets write where commas
/// are decimal) or tab.
char separator_of(std::string_view header) {
  bool quoted = false;
  for (const char character : header.substr(0, header.find('\n'))) {
    if (character == '"') quoted = !quoted;
    if (!quoted && (character == ',' || character == ';' || character == '\t')) return character;
  }
  return ',';
}

/// Splits a text into records in one pass that looks at each character once.
class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  std::vector<CsvRow> parse() {
    while (!text_.empty() && (text_.back() == '\n' || text_.back() == '\r')) text_.remove_suffix(1);
    separator_ = separator_of(text_);
    take_stated_separator();
    std::vector<CsvRow> rows;
    while (offset_ < text_.size()) rows.push_back(parse_row());
    return rows;
  }

 private:
  /// Takes Excel's first line "sep=;".
  void take_stated_separator() {
    constexpr std::string_view keyword = "sep=";
    if (!text_.starts_with(keyword) || text_.size() <= keyword.size()) return;
    const char stated = text_[keyword.size()];
    offset_ = keyword.size() + 1;
    if (stated == '"' || stated == '\r' || stated == '\n' || !(offset_ == text_.size() || at_line_end()))
      fail_at(path_, 1, "\"sep=\" is followed by the one character that separates cells, as in \"sep=;\"");
    separator_ = stated;
    end_line();
  }

  CsvRow parse_row() {
    CsvRow row;
    row.line = line_;
    row.cells.push_back(parse_cell());
    while (peek() == separator_) {
      ++offset_;
      row.cells.push_back(parse_cell());
    }
    end_line();
    return row;
  }

  std::string parse_cell() { return peek() == '"' ? parse_quoted() : parse_plain(); }

  std::string parse_plain() {
    std::string cell;
    while (offset_ < text_.size() && peek() != separator_ && !at_line_end()) {
      if (peek() == '"')
        fail_at(path_, line_, "a quote inside a cell; quote the whole cell and double the quote");
      cell += text_[offset_++];
    }
    return cell;
  }

  std::string parse_quoted() {
    const size_t opened = line_;
    ++offset_;
    std::string cell;
    while (offset_ < text_.size()) {
      const char character = text_[offset_++];
      if (character == '\n') ++line_;
      if (character != '"') {
        cell += character;
      } else if (peek() == '"') {
        cell += text_[offset_++];
      } else {
        if (offset_ < text_.size() && peek() != separator_ && !at_line_end()) {
          fail_at(path_, line_, "text after a closing quote; double the quotes inside a quoted cell");
        }
        return cell;
      }
    }
    fail_at(path_, opened, "a quoted cell without its closing quote; add \" at the cell's end");
  }

  void end_line() {
    if (offset_ == text_.size()) return;
    offset_ += peek() == '\r' ? 2 : 1;
    ++line_;
  }

  bool at_line_end() const {
    return peek() == '\n' || (peek() == '\r' && offset_ + 1 < text_.size() && text_[offset_ + 1] == '\n');
  }

  /// The next character, or NUL at the end (callers that may meet a NUL in the text compare offsets).
  char peek() const { return offset_ < text_.size() ? text_[offset_] : '\0'; }

  std::string_view text_;
  const std::string& path_;
  size_t offset_ = 0;
  size_t line_ = 1;
  char separator_ = ',';
};

}  // namespace

std::vector<CsvRow> read_csv(const std::string& path) {
  const std::string text = read_text(path);
  std::vector<CsvRow> rows = CsvParser(text, path).parse();
  if (rows.empty()) fail_at(path, 1, "the table is empty; the first line names the columns");
  const size_t width = rows.front().cells.size();
  for (const CsvRow& row : rows) {
    if (row.cells.size() == 1 && row.cells.front().empty())
      fail_at(path, row.line, "an empty line; remove it");
    if (row.cells.size() != width) {
      fail_at(path, row.line,
              std::to_string(row.cells.size()) + " cells; the header has " + std::to_string(width) +
                  " (quote a cell that holds the separator)");
    }
  }
  return rows;
}

}  // namespace apportion
