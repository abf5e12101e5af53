// Where the seconds of a training step go: LibTorch's operations by their own time, summed over all threads,
// in steps of stage 1 (or 2) on SmolLM2. It also shows each step's time, so that on a noisy machine two
// builds can be compared by the fastest of several runs. Usage: op_times_study [STAGE [MICRO_BATCHES
// [sizes]]]; `sizes` separates operations by the types and sizes of their inputs.
#include <ATen/record_function.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/data/example.h"
#include "worker/device.h"
#include "worker/device_memory.h"
#include "worker/session.h"
#include "worker/train/trainer.h"

namespace apportion {
namespace {

struct OpTime {
  double seconds = 0;  // without those of operations that it called
  int64_t calls = 0;
};

std::mutex adding;
std::map<std::string, OpTime> op_times;
bool counting = false, apart_by_size = false;

struct OpClock : at::ObserverContext {
  double started = seconds_now();
  double inner = 0;
  OpClock* outer = nullptr;
  std::string sizes;
};
thread_local OpClock* running = nullptr;

std::string sizes_of(const at::RecordFunction& function) {
  std::string text;
  for (const auto& input : function.inputs()) {
    if (!input.isTensor() || !input.toTensor().defined()) continue;
    text += std::string(" ") + c10::toString(input.toTensor().scalar_type());
    for (int64_t size : input.toTensor().sizes()) text += "," + std::to_string(size);
  }
  return text;
}

/// Processor time of this process so far.
double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::unique_ptr<at::ObserverContext> start(const at::RecordFunction& function) {
  auto clock = std::make_unique<OpClock>();
  if (apart_by_size) clock->sizes = sizes_of(function);
  clock->outer = running;
  running = clock.get();
  return clock;
}

void finish(const at::RecordFunction& function, at::ObserverContext* context) {
  auto* clock = static_cast<OpClock*>(context);
  const double seconds = seconds_now() - clock->started;
  running = clock->outer;
  if (running) running->inner += seconds;
  if (!counting) return;
  const std::lock_guard lock(adding);
  OpTime& time = op_times[std::string(function.name()) + clock->sizes];
  time.seconds += seconds - clock->inner;
  ++time.calls;
}

void study(int stage, int micro_batches) {
  keep_tensor_memory();
  RunConfig config;
  Session session(config, compute_device(0), 1);
  const Dataset& dataset = session.dataset();
  const auto prompts = train_prompts(dataset, prompts_of(dataset, "train", 4, 0),
                                     subjects_of(dataset, "train", 0), session.chat(), 0);
  const Llama& model = session.model(resolve_compute_type(ComputeType::automatic), {0});
  Adapter adapter(model.shape(), config.lora, 0, model.device());
  const auto alone = make_local_collectives();
  constexpr int steps = 11;
  double seconds = 0, processor_before = 0;
  std::string each;
  Trainer trainer({model,
                   prompts,
                   {16, micro_batches},
                   OptimizerConfig{},
                   0,
                   *alone,
                   [&](const StepReport& step) {
                     if (!counting) processor_before = processor_seconds();
                     counting = true;
                     if (step.step == 0) return;
                     seconds += step.seconds / (steps - 1);
                     each += " " + std::to_string(step.seconds);
                   }},
                  adapter);
  at::addGlobalCallback(at::RecordFunctionCallback(start, finish).needsInputs(true));
  const SftConfig sft = whole_sft(steps, 1e-3);
  CalibrateConfig calibrate;
  calibrate.steps = steps;
  calibrate.learning_rate = 1e-4;
  if (stage == 2) trainer.run_calibrate(calibrate);
  if (stage == 1) trainer.run_sft(sft);
  const double processor = (processor_seconds() - processor_before) / (steps - 1);
  std::vector<std::pair<std::string, OpTime>> sorted(op_times.begin(), op_times.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  double all = 0;
  for (const auto& [name, time] : sorted) all += time.seconds / (steps - 1);
  std::printf("a step: %.3f s, %.3f s of all threads, of these %.3f s in LibTorch's operations\neach:%s\n",
              seconds, processor, all, each.c_str());
  for (const auto& [name, time] : sorted) {
    const double own = time.seconds / (steps - 1);
    if (own < 0.002 * all) break;
    std::printf("%7.2f ms  %5.1f%%  %7.0f calls  %s\n", 1e3 * own, 100 * own / all,
                static_cast<double>(time.calls) / (steps - 1), name.c_str());
  }
}

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  apportion::apart_by_size = argc > 3;
  apportion::study(argc > 1 ? std::stoi(argv[1]) : 1, argc > 2 ? std::stoi(argv[2]) : 4);
  return 0;
}
