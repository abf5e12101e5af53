// What `apportion plan` prints: the forecast as a table with its assumptions, or as JSON.
#pragma once

#include <string>

#include "coordinator/capacity/forecast.h"
#include "coordinator/report/style.h"
#include "shared/config/run_config.h"

namespace apportion {

/// The whole command: reads the model's shape and the coefficients' file, and renders the table or, with
/// output.json, JSON, in standard output's style. Throws UserError and DataError.
std::string render_forecast(const RunConfig& config);

/// The table and the assumptions.
std::string forecast_page(const Forecast& forecast, const RunConfig& config, const Style& style);

/// The whole forecast, bytes and seconds unrounded.
std::string forecast_json(const Forecast& forecast, const RunConfig& config);

}  // namespace apportion
