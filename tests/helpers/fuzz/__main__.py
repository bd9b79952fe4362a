"""`python tests/helpers/fuzz --subject NAME --count N --seed N`."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    here = Path(__file__).resolve()
    sys.path[:1] = [str(here.parents[1]), str(here.parents[3])]
    from fuzz.runner import main

    sys.exit(main())
