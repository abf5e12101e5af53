// The option table's rows on what is asked of which model.
#pragma once

#include "shared/config/option_table.h"

namespace apportion {

OptionGroup data_options();

}  // namespace apportion
