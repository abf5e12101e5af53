// Precompiled header of the worker: ATen and autograd's variables (17 s a file without, see
// docs/architecture.md). What few files include stays out: every file that reads this one instantiates what
// the inline functions in it name, which custom_function.h would make 2 s longer.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
