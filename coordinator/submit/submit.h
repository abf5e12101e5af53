// `apportion submit`: a job or sweep as a batch job. Writes DIR/slurm/NAME.sbatch below the results folder,
// prints it, and gives it to sbatch. batch_file.h makes the file.
#pragma once

#include <string>

#include "shared/config/command/command_line.h"

namespace apportion {

/// Prints the batch file and, unless it is a dry run, the job's id, and returns when Slurm has taken the job.
/// Throws UserError for a site file's mistakes, a file that cannot be written, an sbatch that cannot be found
/// (the file stays) or that refuses the job.
void submit_job(const CommandLine& line);

}  // namespace apportion
