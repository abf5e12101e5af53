// Precompiled header of the worker: ATen and autograd's variables (17 s a file without, see
// docs/architecture.md). Headers that few files need stay out: every file that reads this one instantiates
// whatever its inline functions name, and custom_function.h would add 2 s to that.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
