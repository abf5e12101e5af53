// Independent pieces of one rank's work side by side: each lane is a thread with its share of the rank's
// threads. On a CPU two micro-batches on one core each finish sooner than both after another on two cores: no
// operation waits for the slower half. Results do not depend on it: what a piece computes is the same at any
// thread count, and where LibTorch's products are not, a lane has one thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <limits>

namespace apportion {

/// Whether the bits of LibTorch's matrix products depend on the number of threads, as they do where it cuts
/// the sum over a long inner dimension into a piece a thread (seen on Intel CPUs with AMX). Tried on a few
/// shapes, once a process.
bool products_depend_on_threads();

/// Pieces that run side by side on a device of a rank that has so many threads. A GPU takes one at a time and
/// finds enough to do in it, whatever the rank's threads on the host.
int lanes_on(at::Device device, int threads);

/// Calls work(i) once for every i in [0, count), on min(count, lanes_on(device, threads), most) lanes. The
/// calling thread's number of threads is what the lanes share, and is as before on return. Lanes are this
/// thread and others that wait for its next call; work() runs no several lanes of its own. The exception of
/// the lowest i is rethrown when all lanes are done; a lane stops taking pieces once any has thrown. Where
/// products_depend_on_threads, each lane has one thread.
void run_lanes(int count, at::Device device, const std::function<void(int)>& work,
               int most = std::numeric_limits<int>::max());

/// work(first, last) over [0, count) on the host, cut into as many pieces as the caller has threads and each
/// has `least` (1 or more) of. Outside a lane they are lanes, and not at::parallel_for's threads: those wait
/// for more by running, in the way of the next lanes.
void run_pieces(int64_t count, int64_t least, const std::function<void(int64_t first, int64_t last)>& work);

}  // namespace apportion
