// A dataset's folder: targets.csv, templates.txt and ood.csv, one after another with a line "=====" between,
// and what training and testing make of it.
#include <unistd.h>

#include "shared/data/dataset.h"
#include "tests/fuzz/input.h"

namespace apportion {
namespace {

/// Writes the parts as files; a missing part means no file.
void put_parts(std::string_view bytes) {
  constexpr std::string_view line = "=====\n";
  for (const char* name : {"targets.csv", "templates.txt", "ood.csv"}) {
    if (bytes.data() == nullptr) {
      ::unlink((fuzz::folder() + "/" + name).c_str());
      continue;
    }
    const size_t end = bytes.find(line);
    fuzz::put(name, bytes.substr(0, end));
    bytes = end == std::string_view::npos ? std::string_view() : bytes.substr(end + line.size());
  }
}

void use(const Dataset& dataset) {
  dataset.training_digest();
  for (const auto& [section, wordings] : dataset.wordings) {
    for (const Subject& subject : dataset.subjects) {
      for (const std::string& wording : wordings)
        fuzz::read_or_refuse([&] { fill_wording(wording, subject); });
    }
  }
  for (const Subject& subject : dataset.subjects) {
    for (size_t form = 0; form < dataset.answer_forms.size(); ++form)
      answer_saying(dataset, subject, dataset.categories.size() - 1, form);
  }
}

}  // namespace
}  // namespace apportion

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  put_parts(fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] {
    const Dataset dataset = parse_dataset(fuzz::folder());
    use(dataset);
    for (const char* test_set : {"v2", "v3", "heldout", "ood"}) {
      fuzz::read_or_refuse([&] { dataset.test_digest(test_set); });
    }
    read_shares(fuzz::folder() + "/targets.csv", dataset);
  });
  return 0;
}
