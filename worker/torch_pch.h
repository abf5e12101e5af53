// Precompiled header of the worker: ATen and autograd functions (17 s a file without, see
// docs/architecture.md).
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
