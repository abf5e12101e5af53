// What `apportion plan SWEEP.ini` prints: the forecast as a table with what it rests on, or as JSON.
#pragma once

#include <string>

#include "coordinator/capacity/sweep_forecast.h"
#include "coordinator/report/style.h"

namespace apportion {

std::string sweep_page(const SweepForecast& forecast, const Style& style);

/// All of it, bytes and seconds in full.
std::string sweep_json(const SweepForecast& forecast);

}  // namespace apportion
