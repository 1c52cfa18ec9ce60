"""The terminal chat: `souschef chat`.

loop.py reads what is typed and runs it; asking.py runs a question; commands.py finds a command among those of
the cmd_*.py files; store.py keeps what was said. Nothing here imports LangChain or a model before the prompt
is on the screen: loading.py does that in threads while the user types.
"""
