import sys

from ablations.analysis.claims.command import main

sys.exit(main())
