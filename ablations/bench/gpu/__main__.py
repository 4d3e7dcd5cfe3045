import sys

from ablations.bench.gpu.command import main

sys.exit(main())
