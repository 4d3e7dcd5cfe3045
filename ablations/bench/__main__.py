import sys

from ablations.bench.command import main

sys.exit(main())
