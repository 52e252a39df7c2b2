"""Two workers on two cores: what a second one brings."""

import functools

from generator import interleave, measure, quiet, stat
from processes import BenchError
from servers import token_for
from works import FIGURES, ratios

LOAD = ("--mode", "keep", "--connections", 128)


def scaling(bench, options, say):
    """One worker on its core, two on two; the load elsewhere where there are cores, else beside."""
    two = bench.all_cores[:2]
    elsewhere = bench.all_cores[2:4]
    load_two = elsewhere if len(elsewhere) == 2 else two
    makers = {
        "telltale": lambda n, cores: bench.telltale_start(workers=n, core=cores),
        "bare": lambda n, cores: bench.bare_on(sorted(cores)),
        "nginx": lambda n, cores: bench.nginx("reuseport", workers=n, core=cores),
    }
    out = {"load": "elsewhere" if load_two is elsewhere else "shared", "servers": {}, "missing": {}}
    for label, make in makers.items():
        if label in options.skip:
            continue
        try:
            # With the load on its own core, and in the company that two workers have, too.
            with make(1, {two[0]}) as one, make(2, set(two)) as both:
                out["servers"][label] = compare(bench, options, say, label, one, both, load_two)
        except BenchError as error:
            out["missing"][label] = str(error)
    return out


def compare(bench, options, say, label, one, both, load_two):
    def run(server, cores):
        load = [*LOAD, "--seconds", options.seconds / 2, "--token", token_for(server)]
        return functools.partial(measure, bench, server, load, load_cores=cores)

    runs = {
        "one": run(one, [bench.load_core]),
        "one, load on two cores": run(one, load_two),
        "two": run(both, load_two),
    }
    results = interleave(runs, options.rounds, say, f"scaling: {label}")
    figures = {
        kind: {key: stat(r[key] for r in rounds) for key in FIGURES}
        for kind, rounds in results.items()
    }
    return {
        "workers": figures,
        "two_to_one": ratios(results["two"], results["one"]),
        "two_to_one_same_load": ratios(results["two"], results["one, load on two cores"]),
    } | quiet([r for rounds in results.values() for r in rounds])
