"""Makes vectors of the lengths of words. Put your own model's numbers in their place."""

import json

from wit_world import exports
from wit_world.exports.manifest import Description
from wit_world.exports.embedder import Embeddings

from logic import word_lengths

DIMENSIONS = 16


class Manifest(exports.Manifest):
    def describe(self) -> Description:
        return Description(
            name="{{namespace}}/{{name}}",
            version="0.1.0",
            summary="Makes vectors of the lengths of words.",
            config_schema=json.dumps({"type": "object", "additionalProperties": False}),
            accepts=[],
            fields=[],
        )


class Embedder(exports.Embedder):
    def embed(self, texts: list[str], purpose, config: str) -> Embeddings:
        # `purpose` tells texts that will be searched from those that search.
        vectors = [word_lengths(text, DIMENSIONS) for text in texts]
        return Embeddings(f"{{namespace}}/{{name}}@1/{DIMENSIONS}", vectors)
