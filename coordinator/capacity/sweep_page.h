// What `apportion plan SWEEP.ini` prints: the forecast as a table with its basis, or as JSON.
#pragma once

#include <string>

#include "coordinator/capacity/sweep_forecast.h"
#include "coordinator/report/style.h"

namespace apportion {

std::string sweep_page(const SweepForecast& forecast, const Style& style);

/// The whole forecast, bytes and seconds unrounded.
std::string sweep_json(const SweepForecast& forecast);

}  // namespace apportion
