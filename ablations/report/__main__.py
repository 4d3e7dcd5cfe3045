import gc
import sys

from ablations.report.build import main

gc.disable()  # what is read stays until the command ends, soon
sys.exit(main())
