// How long `apportion report` takes over a folder of many cells: writes a made-up sweep of that many, as a
// run would leave it, unless the folder has an index already. What is timed is the program itself, by hand:
// `time apportion report DIR`. Usage: report_study DIR [CELLS].
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/sample_sweep.h"

int main(int argc, char** argv) {
  using namespace apportion;
  if (argc < 2) {
    std::fprintf(stderr, "Usage: report_study DIR [CELLS]\n");
    return 2;
  }
  const std::string directory = argv[1];
  const long cells = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 10'000;
  if (std::filesystem::exists(directory + "/index.h5")) return 0;
  constexpr long seeds = 10;
  SampleAxis learning_rate{"sft_learning_rate", {}}, seed{"seed", {}};
  for (long i = 0; i < (cells + seeds - 1) / seeds; ++i)
    learning_rate.second.push_back("0." + std::to_string(100'000 + i));
  for (long i = 0; i < seeds; ++i) seed.second.push_back(std::to_string(i));
  std::printf("%zu cells\n", write_sample_sweep(directory, {learning_rate, seed}).size());
  return 0;
}
