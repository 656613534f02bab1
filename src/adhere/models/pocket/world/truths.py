"""Idle sentences: true, timeless, asking for nothing, most of their words outside the pocket world's own vocabulary.

Rules:

- A sentence states no number and names nobody, so that nothing in it can be mistaken for a part of a problem.
- Its content (who, what) decides the side, as with every other content of the world: test sentences never stand in
  training. The placebos of `adhere sustain` are in no list here either; a test compares them.
- Sentences come from lists times wordings, thousands in all: a model cannot remember them and has to learn to pass
  over what does not concern the task.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from adhere.models.pocket.world.item import Side, pick, side_of


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Lines of `left: right`."""
    lines = [line.strip().split(": ") for line in text.strip().splitlines()]
    return tuple((left, right) for left, right in lines)


MEMBERS: Final = tuple(
    (member, kind)
    for kind, members in {
        "bird": "heron sparrow eagle crow pigeon robin swan goose hawk falcon stork pelican puffin wren thrush magpie",
        "insect": "beetle wasp cricket moth butterfly dragonfly mosquito grasshopper ladybird termite",
        "mammal": "badger otter beaver squirrel hedgehog dolphin kangaroo giraffe zebra weasel walrus moose hamster",
        "reptile": "lizard tortoise crocodile viper gecko iguana python turtle",
        "tree": "birch maple willow poplar cedar beech elm chestnut larch alder linden spruce",
        "flower": "tulip daisy lily violet orchid dandelion peony lavender sunflower snowdrop iris primrose",
        "fruit": "pear plum cherry peach lemon mango banana melon fig apricot raspberry papaya",
        "vegetable": "carrot cabbage onion turnip radish leek spinach celery broccoli lettuce pumpkin parsnip",
        "tool": "hammer chisel saw wrench shovel rake pliers drill screwdriver hatchet trowel spanner",
        "vehicle": "lorry tractor scooter tram canoe truck motorcycle ferry wagon bicycle tricycle carriage",
        "garment": "jacket sweater skirt shirt waistcoat apron cardigan blouse robe kimono raincoat tunic",
        "piece of furniture": "sofa wardrobe stool cupboard bench dresser bookcase armchair cradle sideboard",
        "instrument": "trumpet harp clarinet oboe trombone banjo accordion mandolin bassoon saxophone tuba cello",
        "shape": "circle triangle square cone sphere pyramid cylinder rectangle hexagon cube",
        "sport": "tennis hockey rowing fencing cricket wrestling archery badminton volleyball rugby",
        "weekday": "Monday Tuesday Wednesday Thursday Friday",
        "month": "February April June July August September October November",
    }.items()
    for member in members.split()
)
SUBSTANCES: Final = tuple(
    (member, kind)
    for kind, members in {
        "metal": "copper iron silver gold zinc nickel lead tin aluminium platinum titanium tungsten",
        "gas": "oxygen helium hydrogen nitrogen argon neon methane",
        "fabric": "linen silk cotton velvet denim felt tweed canvas satin flannel",
        "spice": "cinnamon pepper saffron ginger nutmeg cumin turmeric paprika cardamom",
        "grain": "wheat barley rye oats millet rice maize sorghum",
        "rock": "granite marble basalt slate limestone sandstone chalk obsidian",
        "drink": "tea coffee cocoa lemonade juice cider",
    }.items()
    for member in members.split()
)
_NO_ARTICLE: Final = frozenset(("sport", "weekday", "month"))

RISING: Final = {
    "smaller": (
        "larger",
        "flea ladybird hornet mouse hamster hedgehog beaver fox wolf pig lion horse hippopotamus elephant",
    ),
    "lighter": ("heavier", "crumb button thimble pencil hammer saucepan chair wardrobe tractor locomotive"),
    "slower": ("faster", "snail tortoise hen donkey horse motorcycle aeroplane"),
    "shorter": ("taller", "daisy tulip bush hedge cottage church skyscraper"),
    "softer": ("harder", "pillow sponge candle brick anvil diamond"),
    "younger": ("older", "baby toddler teenager grandmother"),
    "narrower": ("wider", "thread rope path street motorway"),
}
"""Things that rise in a quality: every pair of them is a true comparison."""

WORK: Final = _pairs(
    """
    Carpenters: build tables from planks
    Tailors: sew shirts and trousers
    Plumbers: mend leaking pipes
    Dentists: look after teeth
    Farmers: plough their fields in spring
    Miners: dig for coal under the ground
    Potters: shape clay on a wheel
    Sailors: learn to tie many knots
    Masons: lay bricks in straight rows
    Nurses: care for patients in hospitals
    Judges: listen to both sides of a case
    Gardeners: prune hedges and water seedlings
    Shepherds: watch over their flocks
    Butchers: keep their knives sharp
    Blacksmiths: hammer glowing iron
    Painters: mix pigments with oil
    Librarians: lend books to readers
    Weavers: make cloth on a loom
    Brewers: need hops and malt
    Surgeons: wash their hands with care
    Astronomers: look at the sky through telescopes
    Beekeepers: wear veils over their faces
    Cobblers: repair worn soles
    Photographers: care about the light
    Translators: know several languages
    Divers: breathe air from a bottle
    Pilots: study the weather before a flight
    Actors: learn their lines by heart
    Jewellers: polish precious stones
    Foresters: mark the trees to be felled
    Squirrels: bury acorns for later
    Beavers: gnaw through the trunks of trees
    Spiders: spin webs to catch flies
    Moles: dig tunnels under meadows
    Bats: sleep upside down in caves
    Swallows: fly south when it gets chilly
    Camels: can go without drinking for a long while
    Penguins: swim better than they walk
    Cows: chew grass for many hours
    Horses: sleep while standing
    Frogs: lay their eggs in ponds
    Woodpeckers: tap on the bark of trees
    Kittens: open their eyes after some days
    Puppies: like to play with each other
    Ants: follow the trails of other ants
    Earthworms: loosen the soil
    Salmon: swim up rivers to spawn
    Cuckoos: leave their eggs in the nests of others
    Chameleons: change their colours
    Kangaroos: carry their young in a pouch
    Magnets: attract iron nails
    Mirrors: show things the other way round
    Umbrellas: keep people dry
    Compasses: point to the north
    Thermometers: show how hot it is
    Lighthouses: guide vessels along the coast
    Bridges: let people cross rivers
    Clocks: tell what time it is
    Envelopes: hold letters
    Lenses: bend the light
    Volcanoes: throw out lava and ash
    Glaciers: move down valleys very slowly
    Rainbows: appear when sunlight meets drops of rain
    Deserts: get very little rain
    Earthquakes: can damage houses
    """
)
ORIGIN: Final = _pairs(
    """
    cheese: milk
    paper: wood pulp
    bricks: clay
    wine: grapes
    chocolate: cocoa beans
    candles: wax
    ropes: twisted fibres
    raisins: dried grapes
    concrete: cement and gravel
    butter: cream
    leather: the hides of animals
    tofu: soybeans
    bronze: copper and tin
    steel: iron and a little carbon
    mustard: crushed seeds
    porcelain: fine white clay
    vinegar: cider or wine
    charcoal: burnt wood
    mayonnaise: eggs and oil
    pickles: cucumbers
    jam: boiled berries and sugar
    silk cloth: the threads of silkworms
    rubber: the sap of certain trees
    omelettes: beaten eggs
    perfume: petals and spirit
    barrels: oak staves
    """
)
PARTS: Final = _pairs(
    """
    bicycle: pedals and a saddle
    teapot: a spout and a lid
    violin: strings and a bow
    castle: thick walls and towers
    hedgehog: sharp spines
    cactus: thorns instead of leaves
    giraffe: a very long neck
    lamp: a shade and a bulb
    kettle: a handle
    piano: black and white keys
    mill: a heavy grinding wheel
    crab: strong claws
    elephant: a trunk and tusks
    snail: a shell on its back
    rooster: a red comb
    zebra: dark and light stripes
    volcano: a crater at its top
    theatre: a stage and a curtain
    waterfall: a pool at its foot
    lion: a thick mane
    peacock: splendid feathers
    windmill: large sails
    envelope: a flap that can be sealed
    suitcase: a handle and a lock
    flag: a pole to hang from
    newspaper: headlines in bold type
    strawberry: tiny seeds on its skin
    squid: many soft arms
    beehive: cells of wax
    igloo: walls of packed snow
    """
)
STATEMENTS: Final = tuple(
    line.strip()
    for line in """
    Iron rusts when it stays damp.
    Bamboo grows very quickly.
    Oil floats on vinegar.
    Sugar melts when it is heated.
    Wet clothes dry faster in the breeze.
    Thunder follows lightning.
    Milk turns sour after some time.
    Vinegar tastes sharp.
    Yeast makes dough rise.
    Dust gathers on shelves that nobody cleans.
    Echoes are heard in wide valleys.
    Fog often lifts before noon.
    Puddles vanish when it gets warmer.
    Smoke rises from chimneys.
    Dew can be seen on lawns early in the morning.
    Ivy climbs up old walls.
    Mushrooms grow well in damp forests.
    Copper roofs turn green over the years.
    Cork is light and does not sink.
    Soap removes grease from hands.
    Tides rise and fall every day.
    Lemons taste sour because of the acid in them.
    Shadows vanish when the lamp is switched off.
    Feathers keep birds warm and dry.
    Libraries are usually quiet places.
    Batteries lose their charge after a while.
    Ripe tomatoes are easier to cut with a sharp knife.
    A kite needs a steady breeze to stay in the air.
    Ink leaves stains that are difficult to wash out.
    The equator is far from the poles.
    Some spices were once worth more than gold.
    An empty barrel makes more noise than a full one.
    Warm air rises above cooler air.
    The trunk of a birch is pale.
    Old maps show coasts that nobody had visited.
    Wooden floors creak when somebody walks over them.
    Sunlight passes through clear windows.
    Water boils sooner on high mountains.
    Fresh bread smells better than stale bread.
    A puzzle is easier when the edges are laid first.
    Ships are painted to protect their hulls from rust.
    Mosses thrive in shady and damp places.
    A polished table reflects the light of lamps.
    Onions make many cooks weep.
    The hands of a clock never turn back.
    Hard cheese keeps longer than soft cheese.
    Woollen socks shrink when they are washed too hot.
    A pendulum swings to and fro.
    Marble floors stay cool in summer.
    Pepper makes people sneeze.
    Nails are easier to pull out with pliers.
    Most deserts get chilly after sunset.
    A sharp pencil draws thin lines.
    Curtains keep out the light.
    Steam comes out of a boiling kettle.
    The bark of some oaks is used for cork.
    A full moon is brighter than a crescent.
    Gravel crunches under heavy boots.
    Sour cherries are used for pies.
    Herbs lose their scent when they are kept too long.
    Hikers rest where the path gets steep.
    Ponds freeze sooner than lakes.
    Sawdust lies on the floor of a workshop.
    Nets are woven from strong twine.
    Velvet feels smooth to the fingers.
    Rivers carry mud down to the ocean.
    """.strip().splitlines()
)

_FRAMES: Final = (
    "{s}",
    "{s}",
    "{s}",
    "As everybody knows, {l}",
    "By the way, {l}",
    "It is true that {l}",
    "People say that {l}",
    "Long ago somebody noticed that {l}",
)
"""What an idle sentence may be put into; `s` as it is, `l` with its first letter small."""

_KEEPS_CAPITAL: Final = frozenset(member for member, kind in MEMBERS if kind in ("weekday", "month"))


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _member(rng: random.Random) -> tuple[str, str]:
    ways: tuple[str, ...]
    member, kind = pick(rng, MEMBERS)
    if kind in _NO_ARTICLE:
        named = member
        ways = (f"{_capital(named)} is {_a(kind)}.", f"People call {named} {_a(kind)}.")
    else:
        named = _a(member)
        ways = (
            f"{_capital(named)} is {_a(kind)}.",
            f"The {member} is {_a(kind)}.",
            f"A well known {kind} is the {member}.",
            f"Whoever has seen {named} has seen {_a(kind)}.",
        )
    return f"{member} {kind}", pick(rng, ways)


def _substance(rng: random.Random) -> tuple[str, str]:
    member, kind = pick(rng, SUBSTANCES)
    ways = (
        f"{_capital(member)} is {_a(kind)}.",
        f"People call {member} {_a(kind)}.",
        f"{_capital(member)} is a common {kind}.",
    )
    return f"{member} {kind}", pick(rng, ways)


def _comparison(rng: random.Random) -> tuple[str, str]:
    less = pick(rng, tuple(RISING))
    more, line = RISING[less]
    things = line.split()
    low, high = sorted(rng.sample(range(len(things)), 2))
    small, large = things[low], things[high]
    ways = (
        f"{_capital(_a(small))} is {less} than {_a(large)}.",
        f"{_capital(_a(large))} is {more} than {_a(small)}.",
        f"The {large} is {more} than the {small}.",
    )
    return f"{small} {less} {large}", pick(rng, ways)


def _work(rng: random.Random) -> tuple[str, str]:
    who, what = pick(rng, WORK)
    return who, f"{who} {what}."


def _origin(rng: random.Random) -> tuple[str, str]:
    what, of = pick(rng, ORIGIN)
    verb = "are" if what.endswith("s") else "is"
    return f"{what} from", pick(rng, (f"{_capital(what)} {verb} made from {of}.", f"People make {what} from {of}."))


def _part(rng: random.Random) -> tuple[str, str]:
    what, part = pick(rng, PARTS)
    return f"{what} has", pick(
        rng, (f"{_capital(_a(what))} has {part}.", f"Every child knows that {_a(what)} has {part}.")
    )


def _statement(rng: random.Random) -> tuple[str, str]:
    text = pick(rng, STATEMENTS)
    return text, text


_MAKERS: Final[tuple[Callable[[random.Random], tuple[str, str]], ...]] = (
    _member,
    _member,
    _substance,
    _comparison,
    _comparison,
    _work,
    _work,
    _origin,
    _part,
    _statement,
    _statement,
)


def sentence(rng: random.Random, side: Side) -> str:
    """One idle sentence of that side."""
    while True:
        content, text = pick(rng, _MAKERS)(rng)
        if side_of(f"idle {content}") == side:
            lowered = text if text.split(" ", 1)[0] in _KEEPS_CAPITAL else text[0].lower() + text[1:]
            return pick(rng, _FRAMES).format(s=text, l=lowered)


def sentences(rng: random.Random, side: Side, number: int) -> list[str]:
    """`number` different idle sentences of that side."""
    chosen: dict[str, None] = {}
    while len(chosen) < number:
        chosen[sentence(rng, side)] = None
    return list(chosen)
