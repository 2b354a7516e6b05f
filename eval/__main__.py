"""python -m eval COMMAND: build samples, answer them, score and average answers, measure what they rest on, report."""

import sys

from contracts import command_line

COMMANDS = {
    "build": ("eval.commands.build", "Write the samples of one task at one length."),
    "rank": ("eval.commands.rank", "Score the chunks of every training sample against its question."),
    "generate": ("eval.commands.generate", "Let a model answer a samples file; resumes where it was stopped."),
    "score": ("eval.commands.score", "Score predictions against their samples."),
    "aggregate": ("eval.commands.aggregate", "Average the scores of one model as a benchmark's tables do."),
    "part": ("eval.claims.part", "Keep the scores and losses of one finished run of a study, with their hashes."),
    "claims": ("eval.claims.page", "Write the page that answers the claims, from all parts of the study."),
    "summary": ("eval.commands.summary", "Say in a terminal what came out of a run, and what to look at next."),
    "analyse": ("eval.commands.analyse", "Measure what a model's answers rest on, token by token."),
    "card": ("eval.commands.card", "Write a model card for a model of a finished run, from what its files say."),
    "denoise": ("eval.commands.denoise", "Move noise tokens against their gradient, and say what it does."),
    "attention_maps": ("eval.commands.attention_maps", "Write what chunks of a text attend to, in several models."),
    "figures": ("eval.commands.figures", "Draw Figures 4, 5 and 14 from what was measured."),
    "inspect": ("eval.commands.inspect", "Show what the answer to a question about your text rests on, as a page."),
    "report": ("eval.commands.report", "Write one self-contained HTML page, and its numbers as JSON."),
}

if __name__ == "__main__":
    sys.exit(command_line.main("eval", COMMANDS))
