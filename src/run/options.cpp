#include "run/options.h"

#include "network/models.h"

namespace plainnet {

// The options that shape a run, the model first: a checkpoint keeps them.
static std::vector<Option> shaping_list(Options& o) {
  return {
      {"model", "", listed(model_names()), choice(&o.model, model_names()), "Training"},
      {"--epochs", "N", "how often to see every image (30)", number(&o.epochs, 1, 1000000)},
      {"--batch", "N", "images per update (128)", number(&o.batch, 1, 65536)},
      {"--kernels", "K", "plain, which is slow and simple, or fast (fast)",
       choice_of(&o.kernels, {"plain", "fast"})},
      {"--seed", "N", "of initial weights, shuffling, built-in digits (1)", number(&o.seed, 0, UINT64_MAX)},
      {"--optimizer", "NAME", "sgd, rmsprop, adam or adamw (sgd)",
       choice_of(&o.rule.kind, {"sgd", "rmsprop", "adam", "adamw"}), "Optimizer"},
      {"--learning-rate", "X", "the model's own with sgd, 0.001 with the others",
       number(&o.learning_rate, 0, 1000)},
      {"--momentum", "X", "of sgd: 0 to 0.9999 (0.9)", number(&o.rule.momentum, 0, 0.9999)},
      {"--nesterov", "on|off", "momentum of sgd in Nesterov's form (on)", on_off(&o.rule.nesterov)},
      {"--weight-decay", "X", "L2 penalty; of adamw decoupled (0; for adamw 0.01)",
       number(&o.rule.weight_decay, 0, 1)},
      {"--schedule", "NAME", "constant, step, or cosine, which ends at 0 (constant)",
       choice(&o.schedule, {"constant", "cosine", "step"})},
      {"--step-epochs", "N", "step: a tenth of the rate after each N epochs (10)",
       number(&o.step_epochs, 1, 1000000)},
      {"--warm-up", "X", "epochs, also 0.5, in which the rate rises from 0 (0)",
       number(&o.warm_up, 0, 1000000)},
      {"--data", "DIR", "a folder of IDX files, or digits: built-in (data/mnist)", path(&o.data), "Data"},
      {"--limit", "N", "only the first N training images", number(&o.limit, 1, 1000000000)},
      {"--test-limit", "N", "only the first N test images", number(&o.test_limit, 1, 1000000000)},
      {"--shuffle", "on|off", "a new order every epoch (on)", on_off(&o.shuffle)}};
}

static std::vector<Option> list(Options& o) {
  std::vector<Option> all = shaping_list(o);
  all.insert(all.end(), {
      {"--device", "D", "gpu, cpu, emulated or auto: gpu if there is one (auto)",
       choice(&o.device, {"gpu", "cpu", "emulated", "auto"}), "Machine"},
      {"--threads", "N", "of the cpu target (one a processor)", number(&o.threads, 1, 1024)},
      {"--out", "DIR", "the run folder (runs/MODEL); earlier ones go to DIR.1", path(&o.out), "Files"},
      {"--resume", "DIR", "goes on with the run in DIR", path(&o.resume)},
      {"--init", "FILE", "start from the weights in a safetensors file", path(&o.init)},
      {"--save", "FILE", "also write the final weights here", path(&o.save)},
      {"--log", "FILE", "also write a line of CSV for every epoch here", path(&o.log)},
      {"--step-log", "FILE", "step,loss for every batch before its update", path(&o.step_log)}});
  return all;
}

// Sets what has no fixed default.
static void complete(Options& o) {
  if (o.model.empty())
    throw UsageError("expected a model: ./train ", listed(model_names()), " (--help says more)");
  const bool is_sgd = o.rule.kind == UpdateRule::kSgd;
  const auto needs = [&](const char* name, bool fits, const char* other) {
    if (o.given.count(name) && !fits) throw UsageError(name, ": has a meaning only with ", other);
  };
  needs("--momentum", is_sgd, "--optimizer sgd");
  needs("--nesterov", is_sgd, "--optimizer sgd");
  needs("--step-epochs", o.schedule == "step", "--schedule step");
  if (o.schedule == "cosine" && !(o.warm_up < o.epochs))
    throw UsageError("--warm-up: expected less than the ", o.epochs,
                     " epochs, after which --schedule cosine ends, found ", o.warm_up);
  if (!o.given.count("--learning-rate"))
    o.learning_rate = is_sgd ? find_model(o.model).learning_rate : 0.001;
  if (!o.given.count("--weight-decay") && o.rule.kind == UpdateRule::kAdamW) o.rule.weight_decay = 0.01;
  if (o.out.empty()) o.out = "runs/" + o.model;
}

Options parse_options(int argc, const char* const* argv) {
  Options options;
  std::vector<std::string> arguments;
  const std::string usage = "usage: ./train MODEL [options]       MODEL: " + listed(model_names()) +
                            "\n       ./train --resume DIR [options]\n\n";
  options.given = parse_command_line(argc, argv, usage, list(options), &arguments);
  if (arguments.size() > 1)
    throw UsageError("expected one model, found ", arguments[0], " and ", arguments[1]);
  if (!arguments.empty()) {
    list(options)[0].value.set("model", arguments[0]);
    options.given.insert("model");
  }
  if (options.resume.empty()) complete(options);
  return options;
}

std::map<std::string, std::string> shaping_options(Options options) {
  std::map<std::string, std::string> all;
  for (const Option& option : shaping_list(options)) all[option.name] = option.value.get();
  return all;
}

void take_over(Options& options, const std::map<std::string, std::string>& saved) {
  if (options.given.count("--init")) throw UsageError("--init: a resumed run has its weights already");
  if (options.given.count("--out") && options.out != options.resume)
    throw UsageError("--out: --resume ", options.resume, " goes on in its own folder, found ", options.out);
  options.out = options.resume;
  for (const auto& [name, value_name, help, value, title] : shaping_list(options)) {
    const auto kept = saved.find(name);
    if (kept == saved.end()) throw Error(options.out, ": expected ", name, " in its checkpoint, found none");
    if (!options.given.count(name)) try {
        value.set(name, kept->second);
      } catch (const UsageError& error) {
        throw Error(options.out, ": ", error.what());
      }
    else if (value.get() != kept->second && name != "--data" &&
             (name != "--epochs" || (saved.count("--schedule") && saved.at("--schedule") == "cosine")))
      throw UsageError(name, ": the run in ", options.out, " has ", kept->second,
                       ", which cannot change on the way, found ", value.get());
  }
}

}  // namespace plainnet
