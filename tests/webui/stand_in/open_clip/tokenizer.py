"""Its vocabulary."""

from types import SimpleNamespace

import stand_in_words

_tokenizer = SimpleNamespace(decoder=stand_in_words.decoder, encode=stand_in_words.encode)
