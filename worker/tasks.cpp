#include "worker/tasks.h"

#include "shared/store/task_file.h"
#include "worker/models/adapter_file.h"

namespace apportion {

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
