#pragma once

#include <cstdint>
#include <vector>

namespace plainnet {

/// All of ./train: reads the command line, trains, reports on standard output and leaves its files in
/// the run folder, or goes on with the run that lies there. Ctrl-C ends the program at once, with status
/// 130 and a word on how to go on from the last epoch. Returns the exit status; throws Error.
int run_training(int argc, const char* const* argv);

/// All of ./predict: reads the command line, applies a trained network, prints what it says. Returns the
/// exit status; throws Error.
int run_prediction(int argc, const char* const* argv);

/// The order in which epoch `epoch` (from 1) takes `count` images: a shuffle that depends on the
/// seed and the epoch alone (Fisher and Yates, in Durstenfeld's form).
std::vector<int> epoch_order(int count, bool shuffle, uint64_t seed, int epoch);

}  // namespace plainnet
