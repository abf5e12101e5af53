// The keys of `apportion plan` and `apportion scale`, which the option table includes.
#pragma once

#include "shared/config/option_table.h"

namespace apportion {

OptionGroup capacity_options();
OptionGroup scale_options();

}  // namespace apportion
