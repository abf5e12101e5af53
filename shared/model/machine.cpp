#include "shared/model/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/base/memory_limits.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

constexpr double tera = 1e12, giga = 1e9;

/// Peaks are dense; NVLink figures are half of the bidirectional ones that data sheets print.
const std::vector<Machine>& machines() {
  static const std::vector<Machine> table = {
      // One core of the machine that this program was written on (by measure_peak and copies between
      // processes).
      {"cpu", 0.4 * tera, 0.095 * tera, 11 * gibi, 20 * giga, 3 * giga, 1 * giga, 2,
       "one core of an AMD EPYC (Zen 4) with AVX-512 bf16, measured", true},
      // NVIDIA A100 80GB data sheet (SXM4): 312 TFLOP/s (float32 19.5), 2,039 GB/s, NVLink 600 GB/s; DGX
      // A100: 8 x 200 Gb/s.
      {"a100-80", 312 * tera, 19.5 * tera, 80 * giga, 2039 * giga, 300 * giga, 25 * giga, 8,
       "NVIDIA A100 80GB SXM data sheet; network as DGX A100 (200 Gb/s a GPU)"},
      // NVIDIA H100 data sheet (SXM5): 1,979 TFLOP/s with sparsity (float32 67), 3.35 TB/s, NVLink 900 GB/s;
      // DGX H100: 8 x 400 Gb/s.
      {"h100-80", 989.5 * tera, 67 * tera, 80 * giga, 3350 * giga, 450 * giga, 50 * giga, 8,
       "NVIDIA H100 SXM data sheet; network as DGX H100 (400 Gb/s a GPU)"},
      // NVIDIA H200 data sheet (SXM): as H100 with 141 GB at 4.8 TB/s.
      {"h200-141", 989.5 * tera, 67 * tera, 141 * giga, 4800 * giga, 450 * giga, 50 * giga, 8,
       "NVIDIA H200 SXM data sheet; network as DGX H200 (400 Gb/s a GPU)"},
      // NVIDIA DGX B200 data sheet, divided by eight: 1,440 GB, 64 TB/s, NVLink 14.4 TB/s; 72 PFLOP/s in FP8
      // with sparsity are 2.25 dense in bfloat16 per GPU (float32 0.075); 8 x 400 Gb/s.
      {"b200-180", 2250 * tera, 75 * tera, 180 * giga, 8000 * giga, 900 * giga, 50 * giga, 8,
       "NVIDIA DGX B200 data sheet (400 Gb/s a GPU)"}};
  return table;
}

/// One number of the file: where it goes, and what is allowed.
struct Entry {
  const char* key;
  double* field;
  double low, high;  // low < value <= high
};

std::vector<Entry> entries_of(CalibratedMachine& result) {
  Machine& machine = result.machine;
  Coefficients& c = result.coefficients;
  return {{"peak_flops", &machine.peak_flops, 0, 1e18},
          {"float_flops", &machine.float_flops, 0, 1e18},
          {"memory_bytes", &machine.memory_bytes, 0, 1e15},
          {"memory_bandwidth", &machine.memory_bandwidth, 0, 1e15},
          {"link_bandwidth", &machine.link_bandwidth, 0, 1e15},
          {"network_bandwidth", &machine.network_bandwidth, 0, 1e15},
          {"matrix_efficiency", &c.matrix_efficiency, 0, 1},
          {"attention_efficiency", &c.attention_efficiency, 0, 1},
          {"memory_efficiency", &c.memory_efficiency, 0, 1},
          {"link_efficiency", &c.link_efficiency, 0, 1},
          {"link_overlap", &c.link_overlap, -1e-9, 1},
          {"network_efficiency", &c.network_efficiency, 0, 1},
          {"link_latency_s", &c.link_latency_s, -1, 1},
          {"network_latency_s", &c.network_latency_s, -1, 1},
          {"block_overhead_s", &c.block_overhead_s, -1, 10},
          {"step_overhead_s", &c.step_overhead_s, -1, 100},
          {"memory_scale", &c.memory_scale, 0, 100},
          {"reserved_bytes", &c.reserved_bytes, -1, 1e15}};
}

class CoefficientsParser {
 public:
  CoefficientsParser(const std::string& text, const std::string& path, const std::string& name)
      : json_(nlohmann::json::parse(text, nullptr, false)), path_(path), name_(name) {}

  CalibratedMachine parse() {
    if (!json_.is_object()) fail("this is not a JSON object");
    if (json_.value("format", nlohmann::json()) != "apportion coefficients" ||
        json_.value("version", nlohmann::json()) != 1) {
      fail("format and version must be \"apportion coefficients\" and 1");
    }
    if (json_.value("machine", nlohmann::json()) != name_) {
      fail("machine is " + json_.value("machine", nlohmann::json()).dump() + "; the plan is for \"" + name_ +
           "\" (key plan_machine)");
    }
    CalibratedMachine result{find_machine(name_), default_coefficients(find_machine(name_))};
    const nlohmann::json source = json_.value("source", nlohmann::json());
    if (!source.is_string()) fail("source must be a text that says what was measured");
    result.coefficients.source = printable(source.get<std::string>());
    read_numbers(entries_of(result), result.machine.ranks_per_node);
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw UserError(path_ + ": " + message); }

  void read_numbers(const std::vector<Entry>& entries, int& ranks_per_node) const {
    std::vector<std::string> known = {"format", "version", "machine", "source", "ranks_per_node"};
    const size_t others = known.size();
    for (const Entry& entry : entries) known.emplace_back(entry.key);
    for (const auto& [key, value] : json_.items()) {
      const auto found = std::find(known.begin(), known.end(), key);
      if (found == known.end()) {
        fail("unknown key '" + printable(key) + "'; did you mean '" + nearest_word(key, known) + "'?");
      }
      const auto index = static_cast<size_t>(found - known.begin());
      if (key == "ranks_per_node") {
        if (!value.is_number_integer() || value < 1 || value > 1024)
          fail("ranks_per_node must be an integer from 1 to 1024");
        ranks_per_node = value.get<int>();
      }
      if (index < others) continue;
      const Entry& entry = entries[index - others];
      const double number = value.is_number() ? value.get<double>() : std::nan("");
      // A lower end of -1 stands for "0 is allowed".
      const bool low = entry.low < 0 ? number >= 0 : number > entry.low;
      if (!low || !(number <= entry.high)) {
        fail(fmt::format("{} is {}; expected a number {} 0, at most {}", key, printable(value.dump()),
                         entry.low < 0 ? "at least" : "above", entry.high));
      }
      *entry.field = number;
    }
  }

  const nlohmann::json json_;
  const std::string path_, name_;
};

}  // namespace

std::vector<std::string> machine_names() {
  std::vector<std::string> names;
  for (const Machine& machine : machines()) names.push_back(machine.name);
  return names;
}

const Machine& find_machine(const std::string& name) {
  for (const Machine& machine : machines()) {
    if (machine.name == name) return machine;
  }
  throw UserError(fmt::format("plan_machine = '{}' is not a known machine; the nearest is {}, all are {}",
                              printable(name), nearest_word(name, machine_names()),
                              join(machine_names(), ", ")));
}

Coefficients default_coefficients(const Machine& machine) {
  Coefficients coefficients;
  if (machine.is_cpu) {
    coefficients.matrix_efficiency = 0.68;
    coefficients.attention_efficiency = 0.03;
    coefficients.memory_efficiency = 0.5;
    coefficients.link_overlap = 0;
    coefficients.block_overhead_s = 0;
    coefficients.step_overhead_s = 0.01;
    coefficients.reserved_bytes = 0.5 * gibi;
    coefficients.source =
        "products, attention and memory from tests/bench/cost_model_bench.cpp on a busy machine; the rest "
        "assumed";
  }
  return coefficients;
}

CalibratedMachine parse_coefficients(const std::string& text, const std::string& path,
                                     const std::string& name) {
  return CoefficientsParser(text, path, name).parse();
}

}  // namespace apportion
