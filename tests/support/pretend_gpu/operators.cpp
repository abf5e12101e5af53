// The operators of the pretended GPU. Memory, views and copies are defined one by one; every other operator
// is the CPU's, run on tensors that view the device's memory as if it were the host's.
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "tests/support/pretend_gpu/device_pages.h"
#include "tests/support/pretend_gpu/pretend_gpu.h"

namespace apportion::testing {
namespace {

std::mutex calls_mutex;
DeviceCalls calls;

thread_local int inner = 0;  // operators inside an operator are not counted

void count_launch(const std::string& name) {
  if (inner > 0) return;
  const std::lock_guard lock(calls_mutex);
  ++calls.launches;
  ++calls.launched[name];
}

void count_wait(const std::string& name) {
  const std::lock_guard lock(calls_mutex);
  ++calls.waits;
  ++calls.waited[name];
}

bool is_on_device(const at::Tensor& tensor) { return tensor.device().is_privateuseone(); }

/// A CPU tensor that views the same memory. `tensor` owns the memory and must outlive it.
at::Tensor on_host(const at::Tensor& tensor) {
  const c10::Storage& storage = tensor.storage();
  void* data = storage.unsafeGetStorageImpl()->mutable_data();
  auto host = c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), storage.nbytes(),
                                                    c10::DataPtr(data, c10::Device(c10::kCPU)),
                                                    c10::GetCPUAllocator(), /*resizable=*/true);
  at::Tensor out = at::detail::make_tensor<c10::TensorImpl>(
      std::move(host), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
  out.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  if (tensor.is_neg()) out._set_neg(true);
  return out;
}

DeviceAccess access_to(const at::Tensor& tensor) {
  return {tensor.storage().data(), tensor.storage().nbytes()};
}

/// A device tensor with the contents and strides of `host`.
at::Tensor on_device(const at::Tensor& host) {
  at::Tensor out = at::detail::empty_strided_generic(host.sizes(), host.strides(), &device_allocator(),
                                                     c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                                     host.scalar_type());
  const auto bytes = at::detail::computeStorageNbytes(host.sizes(), host.strides(), host.element_size());
  const DeviceAccess access = access_to(out);
  if (bytes > 0)
    std::memcpy(out.storage().unsafeGetStorageImpl()->mutable_data(), host.const_data_ptr(), bytes);
  return out;
}

/// The tensors of one call: those of the device, and the host tensors that stand for them.
class Stand {
 public:
  explicit Stand(std::string name) : name_(std::move(name)) {}

  at::Tensor in_for(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!is_on_device(tensor)) {
      // As on a GPU, only a single value may come from the host.
      TORCH_CHECK(tensor.dim() == 0, name_, " is given a tensor of the ", tensor.device(), ", ",
                  tensor.sizes(), ", beside tensors of the device");
      return tensor;
    }
    for (const auto& [device, host] : pairs_) {
      if (device.is_same(tensor)) return host;
    }
    at::Tensor host = on_host(tensor);
    access_.push_back(access_to(tensor));
    pairs_.emplace_back(tensor, host);
    return host;
  }

  at::Tensor back_for(const at::Tensor& result) {
    if (!result.defined()) return result;
    for (const auto& [device, host] : pairs_) {
      if (host.is_same(result)) return device;
    }
    for (const auto& [device, host] : pairs_) {  // a view of one
      if (result.storage().data() == nullptr || result.storage().data() != device.storage().data()) continue;
      return at::native::as_strided_tensorimpl(device, result.sizes(), result.strides(),
                                               result.storage_offset());
    }
    return on_device(result);
  }

  /// Follows outputs that an operator has resized.
  void follow_sizes() {
    for (const auto& [device, host] : pairs_) {
      const bool moved = host.storage().data() != device.storage().data();
      if (!moved && host.sizes() == device.sizes() && host.strides() == device.strides()) continue;
      at::native::resize_(device, host.sizes());
      if (!moved) continue;
      const DeviceAccess access = access_to(device);
      on_host(device).copy_(host);
    }
  }

 private:
  std::string name_;
  std::vector<DeviceAccess> access_;
  std::vector<std::pair<at::Tensor, at::Tensor>> pairs_;  // device tensor, host tensor
};

/// Replaces each tensor among the last `count` values of the stack by stand_in(tensor).
template <typename StandIn>
void replace_tensors(torch::jit::Stack& stack, size_t count, const StandIn& stand_in) {
  for (size_t i = stack.size() - count; i < stack.size(); ++i) {
    c10::IValue& value = stack[i];
    if (value.isTensor()) {
      value = stand_in(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorList().vec()) list.push_back(stand_in(tensor));
      value = std::move(list);
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector())
        list.push_back(tensor ? std::optional(stand_in(*tensor)) : std::nullopt);
      value = std::move(list);
    } else if (value.isDevice()) {
      value = c10::Device(c10::kCPU);
    }
  }
}

/// Whether the host waits for the device, for the result's size or for a value.
bool waits(const std::string& name, const torch::jit::Stack& stack, size_t arguments) {
  static const std::set<std::string> always = {
      "aten::nonzero",      "aten::masked_select", "aten::_unique2",    "aten::unique_consecutive",
      "aten::unique_dim",   "aten::equal",         "aten::is_nonzero",  "aten::repeat_interleave",
      "aten::_linalg_eigh", "aten::linalg_eigh",   "aten::_linalg_svd", "aten::bincount"};
  if (always.contains(name)) return true;
  if (name != "aten::index" && name != "aten::index_put_" && name != "aten::_index_put_impl_") return false;
  for (size_t i = stack.size() - arguments; i < stack.size(); ++i) {
    if (!stack[i].isOptionalTensorList()) continue;
    for (const auto& index : stack[i].toOptionalTensorVector()) {
      if (index && index->defined() && index->scalar_type() == at::kBool) return true;
    }
  }
  return false;
}

void run_as_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const std::string name = op.schema().name();
  const size_t arguments = op.schema().arguments().size(), results = op.schema().returns().size();
  count_launch(name);
  if (waits(name, *stack, arguments)) count_wait(name);
  const at::AutoDispatchBelowADInplaceOrView below;
  Stand stand(name);
  replace_tensors(*stack, arguments, [&](const at::Tensor& tensor) { return stand.in_for(tensor); });
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  stand.follow_sizes();
  replace_tensors(*stack, results, [&](const at::Tensor& tensor) { return stand.back_for(tensor); });
}

at::Tensor empty(c10::IntArrayRef size, std::optional<c10::ScalarType> type, std::optional<c10::Layout>,
                 std::optional<c10::Device>, std::optional<bool>, std::optional<c10::MemoryFormat> format) {
  return at::detail::empty_generic(size, &device_allocator(),
                                   c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<c10::ScalarType> type,
                         std::optional<c10::Layout>, std::optional<c10::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &device_allocator(),
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(type));
}

void count_copy(const at::Tensor& from, const at::Tensor& to, bool queued) {
  count_launch("copy_");
  const std::string shape = " of " + std::to_string(from.nbytes()) + " bytes";
  if (is_on_device(from)) {
    if (!is_on_device(to)) count_wait("copy to the host" + shape);
    return;
  }
  if (!queued || !is_pinned_memory(from.storage().data())) count_wait("copy to the device" + shape);
  const std::lock_guard lock(calls_mutex);
  ++calls.to_device;
}

at::Tensor copy_from(const at::Tensor& self, const at::Tensor& dst, bool non_blocking) {
  if (dst.numel() == 0) return dst;
  count_copy(self, dst, non_blocking);
  const DeviceAccess read = access_to(self), written = access_to(dst);
  auto host = [](const at::Tensor& tensor) { return is_on_device(tensor) ? on_host(tensor) : tensor; };
  host(dst).copy_(host(self));
  return dst;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& dst) {
  at::native::resize_(dst, self.sizes());
  return copy_from(self, dst, false);
}

at::Scalar local_scalar_dense(const at::Tensor& self) {
  count_launch("item");
  count_wait("item");
  const DeviceAccess access = access_to(self);
  return at::_local_scalar_dense(on_host(self));
}

// Operators that LibTorch has only for CUDA, each one launch there.

class OneLaunch {
 public:
  explicit OneLaunch(const char* name) {
    count_launch(name);
    ++inner;
  }
  ~OneLaunch() { --inner; }
  OneLaunch(const OneLaunch&) = delete;
  OneLaunch& operator=(const OneLaunch&) = delete;
};

at::Tensor bmm_into_float(const at::Tensor& self, const at::Tensor& mat2, at::ScalarType out_dtype) {
  const OneLaunch one("aten::bmm");
  return at::bmm(self.to(out_dtype), mat2.to(out_dtype));
}

at::Tensor& baddbmm_into_float(const at::Tensor& self, const at::Tensor& batch1, const at::Tensor& batch2,
                               at::ScalarType out_dtype, const at::Scalar& beta, const at::Scalar& alpha,
                               at::Tensor& out) {
  const OneLaunch one("aten::baddbmm");
  return at::baddbmm_out(out, self, batch1.to(out_dtype), batch2.to(out_dtype), beta, alpha);
}

std::tuple<at::Tensor, at::Tensor> fused_rms_norm(const at::Tensor& input, at::IntArrayRef,
                                                  const std::optional<at::Tensor>& weight,
                                                  std::optional<double> epsilon) {
  const OneLaunch one("aten::_fused_rms_norm");
  const at::Tensor scale = input.square().mean(-1, true).add_(*epsilon).rsqrt_();
  return {(input * scale).mul_(*weight), scale};
}

std::tuple<at::Tensor, at::Tensor> fused_rms_norm_backward(const at::Tensor& grad_out,
                                                           const at::Tensor& input, at::IntArrayRef,
                                                           const at::Tensor& rstd,
                                                           const std::optional<at::Tensor>& weight,
                                                           std::array<bool, 2> output_mask) {
  const OneLaunch one("aten::_fused_rms_norm_backward");
  at::Tensor d_weight;
  if (output_mask[1]) d_weight = (grad_out * input).mul_(rstd).sum(0);
  at::Tensor g = grad_out * *weight;
  const at::Tensor along = (g * input).mean(-1, true).mul_(rstd).mul_(rstd);
  return {g.sub_(input * along).mul_(rstd), d_weight};
}

void foreach_add(at::TensorList self, at::TensorList other, const at::Scalar& alpha) {
  const OneLaunch one("aten::_foreach_add_");
  for (size_t i = 0; i < self.size(); ++i) self[i].add_(other[i], alpha);
}

void foreach_mul(at::TensorList self, const at::Scalar& scalar) {
  const OneLaunch one("aten::_foreach_mul_");
  for (const at::Tensor& tensor : self) tensor.mul_(scalar);
}

const at::Tensor& resize(const at::Tensor& self, c10::IntArrayRef size,
                         std::optional<at::MemoryFormat> format) {
  return at::native::resize_(self, size, format);
}

at::Tensor& set_storage(at::Tensor& self, at::Storage storage, int64_t offset, c10::IntArrayRef size,
                        c10::IntArrayRef stride) {
  return at::native::set_storage_cpu_(self, std::move(storage), offset, size, stride);
}

}  // namespace

DeviceCalls device_calls() {
  const std::lock_guard lock(calls_mutex);
  return calls;
}

void reset_device_calls() {
  const std::lock_guard lock(calls_mutex);
  calls = {};
}

void wait_for_pretend_gpu() { count_wait("synchronize"); }

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_as_on_cpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("view", at::native::view);
  library.impl("_reshape_alias", at::native::_reshape_alias);
  library.impl("resize_", resize);
  library.impl("set_.source_Storage_storage_offset", set_storage);
  library.impl("set_.source_Tensor", at::native::set_tensor_);
  library.impl("_copy_from", copy_from);
  library.impl("_copy_from_and_resize", copy_from_and_resize);
  library.impl("_local_scalar_dense", local_scalar_dense);
  library.impl("bmm.dtype", bmm_into_float);
  library.impl("_foreach_add_.List", foreach_add);
  library.impl("_foreach_mul_.Scalar", foreach_mul);
  library.impl("baddbmm.dtype_out", baddbmm_into_float);
  library.impl("_fused_rms_norm", fused_rms_norm);
  library.impl("_fused_rms_norm_backward", fused_rms_norm_backward);
}

}  // namespace apportion::testing
