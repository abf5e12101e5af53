// What a batch job has to know of a cluster: its account and partition, what a rank gets, how ranks are
// started. A small file of the user's own (docs/slurm.md, examples in cluster/sites); what is done with it is
// batch_file.h's.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace apportion {

struct Site {
  std::string account, partition, qos, constraint;  // empty: Slurm's own default, as all texts here
  std::string memory, time;                         // as sbatch has them: "64G" a node, "1-12:00:00"
  int ranks = 0;                                    // of a member; 0: one for each GPU of a node, or 1
  int ranks_a_node = 0;                             // 0: as Slurm places them
  int cores_a_rank = 0;
  int gpus_a_node = 0;
  std::string launcher = "mpirun";           // or "srun --mpi=pmix", with further options
  std::string container;                     // put before the program: "apptainer exec --nv image.sif"
  std::string program;                       // empty: the one that submits
  std::vector<std::string> modules, sbatch;  // in their order; sbatch: further options of it
  std::vector<std::pair<std::string, std::string>> environment;

  /// Seconds of `time`, 0 for none or UNLIMITED.
  double time_s() const;
};

/// Of a file of lines `key = value`, '#' before a comment; modules, environment and sbatch may stand several
/// times. Throws UserError "PATH, line N: ..." for a line that is neither, an unknown key (with the nearest
/// known one), one that is there twice, and a value that is not allowed (with what would be right).
Site parse_site(const std::string& text, const std::string& path);

/// `path`, or where it is empty the first there is of cluster/site.ini and ~/.config/apportion/site.ini
/// (XDG_CONFIG_HOME); its text in `found`, which is empty when there is none: then all is Slurm's own
/// default. Throws what parse_site throws, and for a file that cannot be read.
Site read_site(const std::string& path, std::string& found);

}  // namespace apportion
