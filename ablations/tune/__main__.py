import sys

from ablations.tune.command import main

sys.exit(main())
