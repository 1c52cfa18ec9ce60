"""This file's folder is importable in every test, so that suites can share the scripted engine.

Property tests have no deadline: on a busy machine a slow example says nothing about the code.
"""

from hypothesis import settings

settings.register_profile("souschef", deadline=None)
settings.load_profile("souschef")
