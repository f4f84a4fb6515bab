"""`python -m predictor`, for a shell that does not find the command `predictor`."""

from __future__ import annotations

from predictor.cli import main

if __name__ == "__main__":
    main()
