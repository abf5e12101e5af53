// What a batch job needs to know about a cluster: account and partition, what a rank gets, how ranks are
// started. It comes from a small file that the user writes (docs/slurm.md, examples in cluster/sites);
// batch_file.h uses it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace apportion {

struct Site {
  std::string account, partition, qos, constraint;  // empty here and below: Slurm's default
  std::string memory, time;                         // as sbatch has them: "64G" a node, "1-12:00:00"
  int ranks = 0;                                    // per member; 0: one for each GPU of a node, or 1
  int ranks_a_node = 0;                             // 0: as Slurm places them
  int cores_a_rank = 0;
  int gpus_a_node = 0;
  std::string launcher = "mpirun";           // or "srun --mpi=pmix", with further options
  std::string container;                     // put before the program: "apptainer exec --nv image.sif"
  std::string program;                       // empty: the program that submits
  std::vector<std::string> modules, sbatch;  // in order; sbatch: further options for it
  std::vector<std::pair<std::string, std::string>> environment;

  /// Seconds of `time`, 0 for none or UNLIMITED.
  double time_s() const;
};

/// Parses a file of lines `key = value`, with '#' before a comment; modules, environment and sbatch may be
/// repeated. Throws UserError "PATH, line N: ..." for any other line, an unknown key (with the nearest known
/// one), a repeated key, and a value that is not allowed (with what would be right).
Site parse_site(const std::string& text, const std::string& path);

/// Reads `path`, or if that is empty the first of cluster/site.ini and ~/.config/apportion/site.ini
/// (XDG_CONFIG_HOME) that exists. `found` gets its path, empty if there is none: then everything is Slurm's
/// default. Throws what parse_site throws, and for a file that cannot be read.
Site read_site(const std::string& path, std::string& found);

}  // namespace apportion
