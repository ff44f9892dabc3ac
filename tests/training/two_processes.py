"""Run by `accelerate launch` in tests/training/test_processes.py: the real worker; what each process sees is noted."""

import os
import sys
from pathlib import Path

from studio.training import trainer, worker
from studio.training.data import batch_indices


def main() -> int:
    notes = Path(os.environ["NOTES"]) / f"rank-{os.environ.get('RANK', '0')}.txt"

    def noted(*arguments, **options):
        indices = batch_indices(*arguments, **options)
        with notes.open("a") as file:
            file.write(f"{arguments[2]} {' '.join(map(str, indices.tolist()))}\n")
        return indices

    trainer.batch_indices = noted
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
