// The command line: what is refused and how, what is assumed.

#include <sstream>

#include "run/options.h"
#include "tests/test.h"

namespace plainnet {
namespace {

// The options of `./train` followed by these words.
Options parse(const std::string& words) {
  std::vector<std::string> arguments = {"train"};
  std::istringstream stream(words);
  for (std::string word; stream >> word;) arguments.push_back(word);
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  return parse_options(static_cast<int>(pointers.size()), pointers.data());
}

// Fails unless parsing throws a UsageError of one line that contains all parts.
void check_refused(const std::string& words, const std::vector<std::string>& parts) {
  try {
    parse(words);
  } catch (const UsageError& error) {
    const std::string message = error.what();
    CHECK(message.find('\n') == std::string::npos, message);
    for (const std::string& part : parts)
      CHECK(message.find(part) != std::string::npos, "'", part, "' in '", message, "' for ", words);
    return;
  }
  throw test::Failure("expected a UsageError, got none: " + words);
}

TEST("options: each model has its defaults") {
  for (const std::string model : {"cnn", "separable", "bilstm"}) {
    const Options options = parse(model);
    CHECK_EQUAL(options.model, model);
    CHECK_EQUAL(options.learning_rate, model == "bilstm" ? 0.5 : 0.05);
    CHECK_EQUAL(options.epochs, 30);
    CHECK_EQUAL(options.batch, 128);
    CHECK(options.rule.kind == UpdateRule::kSgd);
    CHECK_EQUAL(options.rule.momentum, 0.9);
    CHECK_EQUAL(options.rule.weight_decay, 0);
    CHECK_EQUAL(options.schedule, "constant");
    CHECK_EQUAL(options.seed, 1u);
    CHECK_EQUAL(options.data, "data/mnist");
    CHECK_EQUAL(options.device, "auto");
    CHECK(options.rule.nesterov && options.shuffle);
    CHECK(options.limit == 0 && options.threads == 0);
    CHECK(options.init.empty() && options.save.empty() && options.log.empty() &&
          options.step_log.empty() && options.resume.empty());
    CHECK(options.given == std::set<std::string>{"model"});
  }
  CHECK_EQUAL(parse("bilstm --optimizer adam").learning_rate, 0.001);
  CHECK_EQUAL(parse("cnn --optimizer adamw").rule.weight_decay, 0.01);
}

TEST("options: zero is a value, not a missing one") {
  CHECK_EQUAL(parse("cnn --learning-rate 0").learning_rate, 0);
  CHECK_EQUAL(parse("cnn --momentum 0").rule.momentum, 0);
  CHECK_EQUAL(parse("cnn --optimizer adamw --weight-decay 0").rule.weight_decay, 0);
  CHECK_EQUAL(parse("cnn --seed 0").seed, 0u);
}

TEST("options: arrive, before and after the model, with a space or an =") {
  const Options options = parse(
      "--epochs 3 --batch=1 bilstm --learning-rate 0.25 --momentum=0 --nesterov off "
      "--weight-decay 1e-4 --seed 18446744073709551615 --data some/folder --limit 20 "
      "--test-limit 10 "
      "--shuffle=off --device emulated --threads 2 --init a --save=b=c --log d "
      "--step-log e");
  CHECK_EQUAL(options.model, "bilstm");
  CHECK_EQUAL(options.epochs, 3);
  CHECK_EQUAL(options.batch, 1);
  CHECK_EQUAL(options.learning_rate, 0.25);
  CHECK_EQUAL(options.rule.momentum, 0);
  CHECK(!options.rule.nesterov && !options.shuffle);
  CHECK_EQUAL(options.rule.weight_decay, 1e-4);
  CHECK_EQUAL(options.seed, UINT64_MAX);
  CHECK_EQUAL(options.data, "some/folder");
  CHECK(options.given.count("--data") == 1 && options.given.count("--optimizer") == 0);
  CHECK_EQUAL(options.limit, 20);
  CHECK_EQUAL(options.test_limit, 10);
  CHECK_EQUAL(options.device, "emulated");
  CHECK_EQUAL(options.threads, 2);
  CHECK_EQUAL(options.init, "a");
  CHECK_EQUAL(options.save, "b=c");
  CHECK_EQUAL(options.log, "d");
  CHECK_EQUAL(options.step_log, "e");
  CHECK_EQUAL(parse("cnn --epochs 3 --epochs 4").epochs, 4);
}

TEST("options: --help is told of all options, wherever it stands") {
  for (const std::string words : {"--help", "-h", "cnn --help", "--help --epochs 3"})
    try {
      parse(words);
      throw test::Failure("expected Help, got none: " + words);
    } catch (const Help& help) {
      for (const std::string part : {"usage: ./train MODEL", "--epochs N ", "--step-log FILE", "--help "})
        CHECK(test::contains(help.what(), part), part, " in ", help.what());
    }
}

TEST("options: no model, two, or one that there is not") {
  check_refused("", {"expected a model", "cnn", "separable", "bilstm", "--help"});
  check_refused("--epochs 3", {"expected a model"});
  check_refused("cnn bilstm", {"expected one model", "cnn and bilstm"});
  check_refused("cnn 3", {"expected one model", "cnn and 3"});
  check_refused("ccn", {"model", "expected cnn, separable, bilstm or mlp", "found ccn: did you mean cnn?"});
}

TEST("options: an unknown option is refused, with the nearest one") {
  check_refused("cnn --epoch 3", {"unknown option --epoch", "--epochs"});
  check_refused("cnn --lerning-rate=1", {"unknown option --lerning-rate:", "--learning-rate"});
  check_refused("cnn --stepp-log x", {"--stepp-log", "--step-log"});
  check_refused("cnn -epochs 3", {"unknown option -epochs", "--epochs"});
  for (const auto& [typed, meant] : {std::pair("--sead", "--seed?"), std::pair("--bacth", "--batch?"),
                                     std::pair("--iint", "--init?"), std::pair("--rate", "--learning-rate?")})
    check_refused(text("cnn ", typed, " 1"), {typed, meant});
  // The nearest is the one meant, not the first that is near.
  check_refused("cnn --test-limi 1", {"did you mean --test-limit?"});
  check_refused("cnn --stepepoch 1", {"did you mean --step-epochs?"});
  check_refused("cnn --lernin-rat 1", {"unknown option --lernin-rat (--help"});  // three letters
  check_refused("cnn --xyz", {"unknown option --xyz (--help lists them all)"});
  check_refused("cnn -", {"unknown option - (--help lists them all)"});
}

TEST("options: a choice that is misspelt is refused, with the nearest one") {
  for (const auto& [typed, meant] : {std::pair("cnnn", "cnn"), std::pair("lstm", "bilstm"), std::pair("mpl", "mlp"),
                                     std::pair("seperabl", "separable")})
    check_refused(typed, {text("found ", typed, ": did you mean ", meant, "?")});
  check_refused("cnn --device gup", {"--device: expected gpu, cpu, ", "found gup: did you mean gpu?"});
  check_refused("cnn --optimizer sdg", {"found sdg: did you mean sgd?"});
  for (const std::string words : {"x", "rnn2x", "cn", "seperabel", "cnn --schedule cos", "cnn --kernels simple"})
    try {
      parse(words);
    } catch (const UsageError& error) {
      CHECK(std::string(error.what()).find("did you mean") == std::string::npos, error.what());
    }
}

TEST("options: a missing or superfluous value") {
  for (const std::string name : {"--epochs", "--momentum", "--shuffle", "--device", "--save"})
    check_refused("cnn " + name, {name, "expected a value"});
  check_refused("cnn --log --shuffle", {"--log", "expected a value", "found --shuffle"});
  check_refused("cnn --epochs=", {"--epochs", "expected a whole number", "found ''"});
  check_refused("cnn --log --shuffle", {"--log", "expected a value", "found --shuffle"});
  check_refused("cnn --save=", {"--save", "expected a path", "found ''"});
  check_refused("cnn --data=", {"--data", "expected a path"});
  check_refused("cnn --help=yes", {"--help", "expected no value", "found yes"});
}

TEST("options: a value that is no number, or out of range") {
  const std::string whole = "expected a whole number from ";
  for (const std::string value : {"0", "-1", "x", "3x", "1.5", "1e2", "+3", "99999999999999999999"})
    check_refused("cnn --epochs " + value, {"--epochs", whole + "1 to ", "found " + value});
  for (const std::string name : {"--batch", "--limit", "--test-limit", "--threads"})
    check_refused("cnn " + name + " 0", {name, whole + "1 to ", "found 0"});
  check_refused("cnn --seed -1", {"--seed", whole + "0 to 18446744073709551615", "found -1"});
  for (const std::string value : {"nan", "-0.1", "inf", "0.1.2", "1,5", "0x", "1"})
    check_refused("cnn --momentum " + value,
                  {"--momentum", "expected a number from 0 to 0.9999", "found " + value});
  check_refused("cnn --learning-rate -1", {"--learning-rate", "found -1"});
  check_refused("cnn --weight-decay nan", {"--weight-decay", "found nan"});
  check_refused("cnn --nesterov yes", {"--nesterov", "expected off or on", "found yes"});
  check_refused("cnn --shuffle=", {"--shuffle", "expected off or on", "found ''"});
  check_refused("cnn --device tpu", {"--device", "gpu, cpu, emulated or auto", "found tpu"});
}

}  // namespace
}  // namespace plainnet
