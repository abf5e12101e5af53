#include "worker/tasks.h"

#include "shared/base/clock.h"
#include "shared/store/task_file.h"
#include "worker/models/adapter_file.h"

namespace apportion {

PartProgress::PartProgress(Link& link, const Task& task, bool tells, const std::string& part)
    : link_(link), tells_(tells), began_(seconds_now()) {
  progress_.task_id = task.id;
  progress_.stage = task.label + ": " + part;
}

void PartProgress::operator()(int64_t done, int64_t all) {
  constexpr double silent_s = 1, interval_s = 0.5;
  const std::lock_guard lock(mutex_);
  const double now = seconds_now();
  if (done < done_) began_ = now;  // the next part, such as loading a second model
  done_ = done;
  if (!tells_ || now - began_ < silent_s || now - sent_ < interval_s) return;
  sent_ = now;
  progress_.step = done;
  progress_.steps = all;
  progress_.seconds_left = seconds_left(now - began_, done, all);
  link_.send(coordinator_address, progress_);
}

void PartProgress::begin(int64_t all) {
  if (!tells_) return;
  progress_.steps = all;
  link_.send(coordinator_address, progress_);
}

std::unique_ptr<Adapter> task_adapter(const Session& session, const std::string& trained_by,
                                      at::ScalarType type) {
  const RunConfig& config = session.config();
  const std::string path =
      trained_by.empty() ? config.data.adapter_in : adapter_directory(config.output.directory, trained_by);
  if (path.empty()) return nullptr;
  auto adapter = std::make_unique<Adapter>(load_adapter(path, session.shape(), session.device()));
  adapter->refresh(type);
  return adapter;
}

}  // namespace apportion
