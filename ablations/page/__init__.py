"""report.html: one self-contained file from what the records say, read by anyone, live for who has scripts."""
