"""Asks two servers the same prompts, greedily, and counts equal answers: our engine beside another on one file.

    python3 training/agree.py --first URL KEY --second URL KEY
"""

import argparse

import evaluate

PROMPTS = 50

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", nargs=2, metavar=("URL", "KEY"), required=True)
    parser.add_argument("--second", nargs=2, metavar=("URL", "KEY"), required=True)
    parser.add_argument("--model", default="rustygpt-starter")
    arguments = parser.parse_args()
    servers = [evaluate.Server(url, key, arguments.model) for url, key in (arguments.first, arguments.second)]
    every = evaluate.all_cases()
    cases = every[:: len(every) // PROMPTS][:PROMPTS]
    equal = 0
    for case in cases:
        first, second = (server.ask(case) for server in servers)
        equal += first == second
        if first != second:
            print(f"? {case.prompt!r}\n1 {first!r}\n2 {second!r}")
    print(f"{equal} of {len(cases)} answers are equal")
