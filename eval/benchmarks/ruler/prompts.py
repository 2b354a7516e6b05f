"""A RULER prompt as a sample: where its long text lies, and how long its answer may be."""

from eval.building.build_context import BuildContext
from eval.building.prompts import Prompt, prompt_sample


def ruler_sample(
    context: BuildContext, prompt: str, answer_prefix: str, *, text: str, question: str, answers: list[str], more: dict
) -> dict:
    """The row of a prompt in which `text`, at its last occurrence, is the long context."""
    start = prompt.rindex(text)
    return prompt_sample(
        context,
        Prompt(
            text=prompt,
            answers=answers,
            tokens_to_generate=getattr(context.options, context.task).tokens_to_generate,
            context=(start, start + len(text)),
            question=question,
            answer_prefix=answer_prefix,
            more=more,
        ),
    )
