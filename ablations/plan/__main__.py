import gc
import sys

from ablations.plan.command import main

gc.disable()  # a million small objects, of what is imported and of networks that are only looked at
sys.exit(main())
