"""Qasper: questions about whole scientific papers."""
