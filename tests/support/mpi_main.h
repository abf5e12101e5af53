// What a rank test can ask of its main program (mpi_main.cpp).
#pragma once

#include "shared/link/rank_group.h"

namespace apportion {

/// The ranks of this test run.
const RankGroup& test_ranks();

}  // namespace apportion
