"""Stories in this project's own words."""

from random import Random

from eval.benchmarks.hops.stories import Chain, Source, Story, interference_count, told
from eval.building.build_context import BuildContext

PEOPLE = ("Alice", "Bruno", "Clara", "Edgar", "Fiona", "Hugo", "Irene", "Oscar")
OBJECTS = ("lamp", "coat", "letter", "basket", "hammer", "mirror", "violin", "kettle")
PLACES = ("kitchen", "garden", "cellar", "library", "stable", "attic", "hallway", "workshop")
TAKES = ("{person} picked up the {object}.", "{person} took the {object}.", "{person} got the {object}.")
MOVES = ("{person} walked to the {place}.", "{person} moved to the {place}.", "{person} went back to the {place}.")
DROPS = ("{person} dropped the {object}.", "{person} put down the {object}.", "{person} left the {object}.")


def source(context: BuildContext, hops: int) -> Source:
    """Stories of so many hops."""

    def story(index: int, generator: Random) -> Story:
        person, *others = generator.sample(PEOPLE, len(PEOPLE))
        thing, *other_things = generator.sample(OBJECTS, len(OBJECTS))
        chain = own_chain(generator, person, thing)
        count = interference_count(context, hops, generator)
        return told(chain, hops, [other_fact(generator, others, other_things) for _ in range(count)], generator)

    return story


def own_chain(generator: Random, person: str, thing: str) -> Chain:
    """A person who takes a thing from one place to another."""
    answer, last_place = generator.sample(PLACES, 2)
    return Chain(
        person=person,
        thing=thing,
        answer=answer,
        last_place=last_place,
        take=generator.choice(TAKES).format(person=person, object=thing),
        first_move=generator.choice(MOVES).format(person=person, place=answer),
        last_move=generator.choice(MOVES).format(person=person, place=last_place),
        drop=generator.choice(DROPS).format(person=person, object=thing),
    )


def other_fact(generator: Random, people: list[str], things: list[str]) -> str:
    """A fact about another person, and about another thing where it names one."""
    person = generator.choice(people)
    if generator.random() < 0.5:
        return generator.choice(TAKES).format(person=person, object=generator.choice(things))
    return generator.choice(MOVES).format(person=person, place=generator.choice(PLACES))
