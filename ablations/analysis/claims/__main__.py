import sys

from ablations.analysis.claims.declared import main

sys.exit(main())
