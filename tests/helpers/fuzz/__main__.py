"""`python tests/helpers/fuzz --subject NAME --count N --seed N`."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from fuzz.runner import main

    sys.exit(main())
