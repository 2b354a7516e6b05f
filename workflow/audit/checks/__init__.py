"""What `verify` checks: each check takes an audit and yields the differences that it finds."""
