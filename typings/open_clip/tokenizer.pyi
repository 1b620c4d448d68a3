from collections.abc import Mapping

class SimpleTokenizer:
    decoder: Mapping[int, str]

_tokenizer: SimpleTokenizer
