// Mailboxes and the ends that use them; see link_memory.h.
#include "shared/link/link_memory.h"

#include "shared/base/error.h"
#include "shared/link/mailbox.h"

namespace apportion {

struct MemoryLinks::Boxes {
  explicit Boxes(int workers) : boxes(static_cast<size_t>(workers) + 1) {}

  /// `address` is a world rank or coordinator_address.
  Mailbox& at(int address) {
    ensure(address >= coordinator_address && address + 1 < static_cast<int>(boxes.size()),
           "a message goes to a rank that exists");
    return boxes[static_cast<size_t>(address) + 1];  // -1 comes first
  }

  std::vector<Mailbox> boxes;
};

namespace {

/// The end at `own`; both mailboxes belong to MemoryLinks.
template <typename Boxes>
class MemoryLink : public Link {
 public:
  MemoryLink(Boxes& boxes, int own) : boxes_(boxes), own_(own) {}

  void send(int to, const Message& message) override { boxes_.at(to).put(own_, encode(message)); }
  std::optional<Received> receive(std::chrono::milliseconds wait) override {
    return boxes_.at(own_).take(wait);
  }

 private:
  Boxes& boxes_;
  int own_;
};

}  // namespace

MemoryLinks::MemoryLinks(int workers) : boxes_(std::make_unique<Boxes>(workers)) {
  for (int address = coordinator_address; address < workers; ++address) {
    ends_.push_back(std::make_unique<MemoryLink<Boxes>>(*boxes_, address));
  }
}

MemoryLinks::~MemoryLinks() = default;

Link& MemoryLinks::coordinator() { return *ends_.front(); }

Link& MemoryLinks::worker(int rank) {
  ensure(rank >= 0 && rank + 1 < static_cast<int>(ends_.size()), "the worker's rank exists");
  return *ends_[static_cast<size_t>(rank) + 1];
}

}  // namespace apportion
