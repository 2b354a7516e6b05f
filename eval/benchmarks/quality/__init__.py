"""QuALITY: multiple-choice questions about long stories."""
