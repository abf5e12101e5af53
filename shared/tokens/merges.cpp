#include "shared/tokens/merges.h"

#include <string>
#include <string_view>

namespace apportion {

void each_merge(const TokenizerTables& tables, const TokenTable& table,
                const std::function<void(size_t rank, int32_t left, int32_t right, int32_t id)>& visit) {
  for (size_t rank = 0; rank < tables.merges.value.size(); ++rank) {
    auto fail = [&](const std::string& reason) {
      tables.fail(tables.merges, "merge " + std::to_string(rank) + " " + reason);
    };
    const std::string_view line = tables.merges.value[rank];
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
      fail("is not two texts with a space between");
    std::string whole(line.substr(0, space));
    whole += line.substr(space + 1);
    const int32_t left = table.id_of_table_text(line.substr(0, space)),
                  right = table.id_of_table_text(line.substr(space + 1)), id = table.id_of_table_text(whole);
    if (left < 0 || right < 0 || id < 0) fail("is of, or makes, a text that is not a token");
    visit(rank, left, right, id);
  }
}

}  // namespace apportion
