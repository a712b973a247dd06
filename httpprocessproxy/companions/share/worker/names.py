"""A name for a share whose user has given none: five words, easy to say over a table.

It is no secret: a million are soon tried. What keeps others out is --share-auth.
"""

import random
from typing import Final

_WORDS: Final = (
    "moon sun star comet nova orbit eclipse meteor planet galaxy dawn dusk zenith aurora sky",
    "river forest meadow canyon island valley glacier harbor desert lagoon prairie summit reef",
    "otter heron lynx badger falcon gecko marmot walrus bison raven tapir ibex puffin stoat koala "
    "crane",
    "amber azure coral crimson indigo ivory jade khaki lilac mauve ochre olive pearl ruby teal "
    "violet",
    "bread mango honey olive pepper walnut ginger cocoa barley lemon noodle papaya quince radish "
    "sesame toast",
)


def random_name() -> str:
    """Celestial, natural, an animal, a colour and food."""
    return "-".join(random.choice(words.split()) for words in _WORDS)
