"""`python -m tests.fuzz --seconds 60`: has libFuzzer look for bytes that a decoder neither reads nor refuses.

It sees which lines and branches each input reaches, and goes on from those that reach new ones. They are kept in
`.fuzz/corpus`, so the next run goes on where this one ends. An input that breaks a promise is in `.fuzz` as well, and
is tried again by `python -m tests.fuzz FILE`.
"""

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["poolifier.wire", "poolifier.backends.unpacking"]):
    from tests.wire import decoding

WHERE = Path(".fuzz")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long to look (default: 60)")
    parser.add_argument("files", nargs="*", help="inputs to try again, instead")
    arguments = parser.parse_args()
    corpus = WHERE / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(decoding.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={arguments.seconds}", "-max_len=2048", "-timeout=10", "-print_final_stats=1"]
    atheris.Setup(
        [sys.argv[0], *(arguments.files or [str(corpus)]), *options, f"-artifact_prefix={WHERE}/"], decoding.check
    )
    with decoding.little_memory(), decoding.only_our_pickles():
        atheris.Fuzz()


if __name__ == "__main__":
    main()
