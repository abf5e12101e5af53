// The keys of `apportion plan` and `apportion scale`: a part of the option table, which has them in its
// place.
#pragma once

#include "shared/config/option_table.h"

namespace apportion {

OptionGroup capacity_options();
OptionGroup scale_options();

}  // namespace apportion
