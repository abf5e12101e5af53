// Job files: their lines, what these set, the cells of a sweep, and the printed configuration.
#include "shared/config/job_file.h"
#include "shared/config/sweep.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  fuzz::read_or_refuse([&] {
    const JobFile file = parse_job_file(std::string(fuzz::text_of(data, size)), "job.ini");
    fuzz::read_or_refuse([&] {
      const std::string text = format_job_file(make_run_config(file.settings));
      const std::string again = format_job_file(make_run_config(parse_job_file(text, "again.ini").settings));
      ensure(text == again, "what is written of a configuration is read as that configuration");
    });
    const std::vector<SweepCell> cells = sweep_cells(file.sweep);
    if (cells.size() <= 5) job_cells(file.settings, cells);
  });
  return 0;
}
