import sys

from ablations.sweep.command import main

sys.exit(main())
