"""What [1], [2] and so on mean in a conversation: the recipes that the searches of a turn found."""

from collections.abc import Sequence

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from tools.index import Hit


def this_turn(messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
    """The messages from the user's last one on."""
    last = max((n for n, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
    return messages[last:]


def cited_hits(messages: Sequence[BaseMessage]) -> list[Hit]:
    """What [1], [2] and so on mean: the hits of the newest turn that found any, each once, in that order."""
    cited: dict[str, Hit] = {}
    is_new_turn = False
    for message in messages:
        if isinstance(message, HumanMessage):
            is_new_turn = True
        elif isinstance(message, ToolMessage) and message.name == "recipe_search" and message.artifact:
            cited = {} if is_new_turn else cited
            is_new_turn = False
            for hit in message.artifact:
                cited.setdefault(hit.uid, hit)
    return list(cited.values())


def hit_numbers(messages: Sequence[BaseMessage], found: Sequence[Hit] = ()) -> dict[str, int]:
    """The number of each recipe of this turn by its uid; hits that were `found` just now are numbered on."""
    uids = dict.fromkeys(hit.uid for hit in (*cited_hits(this_turn(messages)), *found))
    return {uid: number for number, uid in enumerate(uids, start=1)}
