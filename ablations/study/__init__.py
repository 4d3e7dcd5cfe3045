"""A blind comparison by people, as in the paper's human study: pairs to look at, and what the answers say."""
