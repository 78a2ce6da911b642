// ./train MODEL: trains a network. The command line in, the report out; exit status 0, 1 for an
// error, 2 for a wrong command line.

#include <cstdio>

#include "error.h"
#include "options.h"
#include "training.h"

int main(int argc, char** argv) {
  using namespace plainnet;
  try {
    const Options options = parse_options(argc, argv);
    if (options.help) {
      std::fputs(help_text().c_str(), stdout);
      return 0;
    }
    return run_training(options);
  } catch (const UsageError& error) {
    std::fprintf(stderr, "train: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train: %s\n", error.what());
    return 1;
  }
}
