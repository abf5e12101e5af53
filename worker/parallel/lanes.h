// Runs independent pieces of one rank's work side by side: each lane is a thread with its share of the rank's
// threads. On a CPU two micro-batches on one core each finish sooner than one after the other on two cores:
// no operation waits for the slower half. Results stay the same: a piece computes the same at any thread
// count, and where LibTorch's products do not, a lane has one thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <limits>

namespace apportion {

/// Whether the bits of LibTorch's matrix products depend on the number of threads, as they do where it cuts
/// the sum over a long inner dimension into one piece for each thread (seen on Intel CPUs with AMX). Tried on
/// a few shapes, once for each process.
bool products_depend_on_threads();

/// How many pieces run side by side on the device of a rank with `threads` threads. A GPU takes one at a
/// time, which keeps it busy, however many threads the rank has on the host.
int lanes_on(at::Device device, int threads);

/// Calls work(i) once for every i in [0, count), on min(count, lanes_on(device, threads), most) lanes. The
/// lanes share the calling thread's number of threads, which is restored on return. Lanes are this thread and
/// others that wait for its next call; work() must not run several lanes itself. When all lanes are done, the
/// exception of the lowest i is rethrown; once any piece has thrown, lanes take no more. If
/// products_depend_on_threads, each lane has one thread.
void run_lanes(int count, at::Device device, const std::function<void(int)>& work,
               int most = std::numeric_limits<int>::max());

/// Calls work(first, last) over [0, count) on the host, in at most as many pieces as the caller has threads,
/// each of at least `least` (1 or more). Outside a lane the pieces run on lanes, not on at::parallel_for's
/// threads: those spin while they wait for more, in the way of the next lanes.
void run_pieces(int64_t count, int64_t least, const std::function<void(int64_t first, int64_t last)>& work);

}  // namespace apportion
