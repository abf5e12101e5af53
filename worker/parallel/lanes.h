// Independent pieces of one rank's work side by side: each lane is a thread with its share of the rank's
// threads. On a CPU two micro-batches on one core each finish sooner than both after another on two cores: no
// operation waits for the slower half. Results do not depend on it: what a piece computes is the same at any
// thread count.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace apportion {

/// Calls work(i) once for every i in [0, count), on min(count, threads) lanes (one on a GPU). The calling
/// thread's number of threads is what the lanes share, and is as before on return. The exception of the
/// lowest i is rethrown when all lanes are done; a lane stops taking pieces once any has thrown.
void run_lanes(int count, at::Device device, const std::function<void(int)>& work);

}  // namespace apportion
