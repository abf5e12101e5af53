// The batch file of a job or sweep: an array of members that each start the same command on ranks of their
// own, pass a signal on, and put themselves back into the queue. A function of what it is given; writing and
// submitting it is submit.h's.
#pragma once

#include <string>
#include <vector>

#include "coordinator/submit/site.h"

namespace apportion {

struct BatchRequest {
  std::string name;                    // of the job in Slurm, and of the files
  std::string folder;                  // for the file and its output, absolute
  std::string directory;               // that the command is started in, absolute
  std::string program;                 // absolute
  std::vector<std::string> arguments;  // of the program: run, the job file, its options
  int members = 1;                     // at most so many at work at one time
  int ranks = 0;                       // of a member; 0: the site's
  double grace_s = 120;                // before its end a job is told, so that it can save its state
};

/// `text` as one word of a shell's line.
std::string shell_word(const std::string& text);

/// Ranks of a member: what was asked for, else the site's, else one for each GPU of a node, else one.
int ranks_of(const BatchRequest& request, const Site& site);

/// Throws UserError for what a batch file cannot hold (a line break in a path), for more members than Slurm's
/// arrays are for, and for a time limit that leaves no time to work beside the grace.
std::string render_batch_file(const BatchRequest& request, const Site& site);

}  // namespace apportion
