// The conformance suite for collectives over NCCL with pretend NCCL and GPUs, so it tests what
// collectives_nccl.cpp itself does. tests/gpu runs the same suite on GPUs.
#include <gmock/gmock.h>

#include <barrier>

#include "tests/support/pretend_nccl/pretend_ranks.h"
#include "tests/support/worker/collectives_suite.h"

namespace apportion {
namespace {

CollectivesForm pretend_form(int ranks) {
  auto run = [=](double timeout_s, const RankCheck& check) {
    PretendRun pretended;
    pretended.ranks = ranks;
    pretended.timeout_s = timeout_s < 1 ? 0.2 : timeout_s;  // most of this binary's time is waiting for these
    pretended.end_timeout_s = 0.02;  // if a rank has left or failed, NCCL does not end cleanly
    std::barrier all_formed(ranks);
    const PretendOutcome outcome = run_pretend_ranks(pretended, [&](PretendRank& rank) {
      const auto group = rank.form();
      all_formed
          .arrive_and_wait();  // a check that aborts must not begin while a rank is still forming the group
      check(*group);
    });
    EXPECT_THAT(outcome.faults, testing::IsEmpty());
  };
  return {"pretend" + std::to_string(ranks), [ranks] { return ranks; }, run};
}

INSTANTIATE_TEST_SUITE_P(Nccl, CollectivesSuite,
                         testing::Values(pretend_form(1), pretend_form(2), pretend_form(3), pretend_form(4)),
                         [](const auto& form) { return form.param.name; });

}  // namespace
}  // namespace apportion
