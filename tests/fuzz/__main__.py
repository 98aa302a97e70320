"""`make fuzz`: the readers of outside input under a coverage-guided fuzzer.

python -m tests.fuzz [NAME ...] --minutes 10     all targets, or some, two at a time
python -m tests.fuzz reproduce NAME FILE         one input again
python -m tests.fuzz rehearse NAME ...           seeds and mutations without a fuzzer
"""

import argparse
import sys
import time
from pathlib import Path

_FOLDER = Path("runs/fuzz")


def main() -> int:
    """Carry out the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="targets, or a command and its words")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="keeps the corpus, so that the next run goes on from it")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=60, help="of one worker")
    parser.add_argument("--seed", type=int, default=int(time.time()) & 0x7FFFFFFF)
    options = parser.parse_intermixed_args()
    command, words = options.words[0] if options.words else "", options.words[1:]
    folder = options.folder.absolute()
    # Imported where they are used: a worker must not have imported what it is to watch.
    if command == "worker":
        from tests.fuzz.worker import fuzz

        fuzz(words[0], folder, seconds=options.seconds, seed=options.seed)
    if command == "reproduce":
        from tests.fuzz.rehearsal import reproduce

        return reproduce(words[0], Path(words[1]))
    if command == "rehearse":
        from tests.fuzz.rehearsal import rehearse_all

        folder.mkdir(parents=True, exist_ok=True)
        return rehearse_all(words, folder)
    from tests.fuzz.campaign import fuzz_all
    from tests.fuzz.targets import MODULES, names

    chosen = options.words or [name for module in MODULES for name in names(module)]
    return fuzz_all(chosen, folder, minutes=options.minutes, seed=options.seed)


if __name__ == "__main__":
    sys.exit(main())
