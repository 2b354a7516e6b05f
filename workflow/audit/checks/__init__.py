"""What `verify` checks, one kind of evidence per module: `check(audited)` yields the differences that it finds."""
