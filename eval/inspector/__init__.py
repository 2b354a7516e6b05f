"""The inspector: a page that shows what a model's answer to a question about a text rests on, token by token."""
