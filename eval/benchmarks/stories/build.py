"""Questions of one to four facts, the facts among sentences of the held-back books and facts of other people.

The words are the multi-hop probe's own (eval.benchmarks.hops.stories). Only stories are asked that no generated
training sample holds (contracts.held_out), so a model that was trained on such drills has read none of them.
"""

from eval.benchmarks.hops.stories import OBJECTS, PEOPLE, held_out_chain, other_fact, question_of, told
from eval.building.book_sentences import BookSentences, draw_sentences
from eval.building.context import BuildContext, Built, sample_generator
from eval.building.filling import fill
from eval.building.prompts import Prompt, prompt_sample


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    options = context.options
    sentences = draw_sentences(
        context.tokenizer,
        context.books,
        sample_generator(context.settings.seed, "stories", context.length, "books"),
        tokens=context.length,
        shortest=options.sentence_tokens_min,
        longest=options.sentence_tokens_max,
        one_line=True,
    )
    rows = [story_sample(context, sentences, index) for index in range(options.samples)]
    return Built(rows, {}, {"books": context.describe_books()})


def story_sample(context: BuildContext, sentences: BookSentences, index: int) -> dict:
    """One prompt: a story in the most sentences that fit."""
    hops, generator = int(context.task[0]), context.generator(index)
    person, *others = generator.sample(PEOPLE, len(PEOPLE))
    thing, *other_things = generator.sample(OBJECTS, len(OBJECTS))
    chain = held_out_chain(generator, person, thing, hops)
    interference = [other_fact(generator, others, other_things) for _ in range(context.options.interference)]
    story = told(chain, hops, interference, generator, context.options.answer)
    shares = sorted(generator.random() for _ in story.facts)

    def sample_of(units: int) -> dict:
        body = list(sentences.sentences[:units])
        for shift, ((_, fact), share) in enumerate(zip(story.facts, shares, strict=True)):
            body.insert(shift + int(share * (units + 1)), fact)
        text = " ".join(body)
        return prompt_sample(
            context,
            Prompt(
                f"{text}\n{story.question}",
                [chain.answer],
                context.options.tokens_to_generate,
                (0, len(text)),
                question_of(chain, hops),
                more={"facts": [fact for kind, fact in story.facts if kind == "supporting"]},
            ),
        )

    largest = len(sentences.sentences)
    return fill(context.length, sentences.sums.__getitem__, sample_of, 0, largest, what=f"task {context.task}")[1]
