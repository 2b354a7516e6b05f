"""The report: one HTML page that needs nothing but a browser, and the same numbers as JSON."""
