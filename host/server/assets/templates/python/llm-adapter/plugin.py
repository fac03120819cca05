"""Answers by repeating the last message. Put your provider in its place."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.manifest import Description
from wit_world.imports.llm_types import Delta_Text, Finish, Part_Text, Response, Role, Usage
from wit_world.imports.types import Error, ErrorKind

from logic import words


class Manifest(exports.Manifest):
    def describe(self) -> Description:
        return Description(
            name="{{namespace}}/{{name}}",
            version="0.1.0",
            summary="Answers by repeating the last message.",
            config_schema=json.dumps({"type": "object", "additionalProperties": False}),
            accepts=[],
            fields=[],
        )


class LlmAdapter(exports.LlmAdapter):
    def complete(self, request, sink, config: str) -> Response:
        asked = [message for message in request.messages if message.role == Role.USER]
        if not asked:
            message = "There is no message of the user to answer."
            raise Err(Error(ErrorKind.INVALID_INPUT, "no-question", message, None))
        answer = "".join(part.value for part in asked[-1].content if isinstance(part, Part_Text))
        pieces = words(answer)
        if sink:
            # Piece by piece, as it arrives. What `push` raises means that nobody reads any more.
            for piece in pieces:
                sink.push(Delta_Text(piece))
        usage = Usage(input=len(pieces), cached_input=0, output=len(pieces), reasoning=0)
        return Response([Part_Text(answer)], Finish.STOP, request.model or "", usage)
