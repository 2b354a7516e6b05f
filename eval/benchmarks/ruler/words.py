"""The project's own words for needle keys: an adjective and a noun, joined by a hyphen."""

from random import Random

ADJECTIVES = """
    amber ancient ample autumn basic bitter blue bold brave brief bright brisk broad calm careful chilly civil clean
    clever close coastal cold common coral crisp curious curly daily deep dense distant dry eager early easy eastern
    empty equal even faint fair famous fancy fast fine firm flat fond fresh frosty full gentle giant glad golden
    grand gray great green happy hasty heavy hidden hollow honest humble icy idle inner jolly keen kind large late
    lazy light little lively local lone loud loyal lucky mellow mild modest narrow native neat new nimble noble
    noisy northern odd old open orange outer pale patient plain polite proud purple quick quiet rapid rare ready
    rich ripe rough round royal rural rustic sandy scarlet secret sharp shiny short silent silver simple sleepy slim
    slow small smooth soft solid southern spare square steady steep stout strict strong subtle sunny sweet swift
    tall tame tender thick thin tidy tiny urban vast velvet violet warm weary western white wide wild wise wooden
    woolly yellow young
"""
NOUNS = """
    acorn anchor apron arrow badge bakery banner barrel basin basket beacon bell bench berry blanket boat bonnet
    bottle branch bridge brook broom bucket button cabin cable camera candle canoe canvas carpet castle chair chapel
    cherry circle clock cloud coat compass copper cottage cotton cradle crown curtain daisy desk diary door drum
    eagle easel engine falcon feather fence ferry fiddle field flag flute forest fountain garden gate glove goblet
    guitar hammer harbor harp hat hedge helmet hill hinge island ivory jacket jar jewel kettle kite ladder lagoon
    lamp lantern lemon letter lily locket loom magnet maple market marsh meadow mill mirror mitten moss needle nest
    oak oar orchard organ otter oven paddle palace parcel parrot path pebble pencil pepper piano pigeon pillow
    planet plow pocket pond poppy porch quill quilt rabbit raft ribbon ring river rocket roof rope rose saddle sail
    scarf shelf shell ship shovel spoon spring stable statue stone stove summit table tailor temple thimble ticket
    timber tower trail trumpet tulip tunnel turnip valley vase village vine violin wagon walnut water wheel whistle
    willow window wolf
"""


def random_key(random: Random) -> str:
    """One key such as `quiet-harbor`."""
    return f"{random.choice(ADJECTIVES.split())}-{random.choice(NOUNS.split())}"
