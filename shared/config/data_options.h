// Rows of the option table: what is asked, and of which model.
#pragma once

#include "shared/config/option_table.h"

namespace apportion {

OptionGroup data_options();

}  // namespace apportion
