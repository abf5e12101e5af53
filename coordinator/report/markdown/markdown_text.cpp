#include "coordinator/report/markdown/markdown_text.h"

#include "coordinator/report/plain_text.h"

namespace apportion {
namespace {

// A zero-width space, which breaks up what would be a mention, an issue number, an address or an emoji's
// name.
constexpr const char* parting = "&#8203;";

std::string markdown_row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + cell + " |";
  return row + "\n";
}

/// A name that begins with blanks belongs to the row above it.
std::string cell_text(const std::string& text) {
  const bool below = text.starts_with("  ");
  return (below ? "&emsp;" : "") + markdown_text(below ? text.substr(2) : text);
}

}  // namespace

std::string markdown_text(std::string_view text) {
  std::string safe;
  const std::string line = plain_line(text);
  for (size_t i = 0; i < line.size(); ++i) {
    const char character = line[i];
    switch (character) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '|':  // in a table even an escaped bar would separate cells
        safe += "&#124;";
        break;
      case '@':
      case '#':
        safe += character + std::string(parting);
        break;
      case ':':  // https://, :tada:
        safe += character + std::string(i + 1 < line.size() && line[i + 1] != ' ' ? parting : "");
        break;
      case '.':  // www.
        safe += std::string(line.substr(0, i).ends_with("www") ? parting : "") + character;
        break;
      case '-':  // GH-1
        safe += std::string(line.substr(0, i).ends_with("GH") ? parting : "") + character;
        break;
      case '\\':
      case '`':
      case '*':
      case '_':
      case '~':
      case '[':
      case ']':
      case '!':
      case '$':
        safe += std::string("\\") + character;
        break;
      default:
        safe += character;
    }
  }
  return safe;
}

std::string markdown_table(const TableView& table) {
  std::vector<std::string> headings, rules;
  for (const TableView::Column& column : table.columns) {
    headings.push_back(markdown_text(column.heading));
    rules.emplace_back(column.align == Align::right ? "---:" : "---");
  }
  std::string text = markdown_row(headings) + markdown_row(rules);
  for (const std::vector<TableView::Entry>& entries : table.rows) {
    std::vector<std::string> cells;
    for (const TableView::Entry& entry : entries) cells.push_back(cell_text(entry.text));
    text += markdown_row(cells);
  }
  return text;
}

std::string markdown_page(const std::vector<NotedTable>& tables) {
  std::string text;
  for (const NotedTable& noted : tables) {
    text += text.empty() ? "" : "\n";
    text += "**" + markdown_text(noted.title) + "**\n\n" + markdown_table(noted.table) + "\n" +
            markdown_text(noted.note) + "\n";
  }
  return text;
}

}  // namespace apportion
