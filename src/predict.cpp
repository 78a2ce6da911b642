// ./predict WEIGHTS ...: applies a trained network. Exit status 0, 1 for an error, 2 for a wrong
// command line.

#include "base/command_line.h"
#include "run/run.h"

int main(int argc, char** argv) {
  return plainnet::run_program("predict", [&] { return plainnet::run_prediction(argc, argv); });
}
