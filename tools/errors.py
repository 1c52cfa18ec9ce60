"""What Souschef says when the user, and not the programmer, can mend it.

    SouschefError            one sentence: what is wrong, and the command or change that mends it
    ├── UsageError           the request itself was wrong: exit code 2 instead of 1
    ├── ModelFileError       a model file is missing, altered or cannot be had
    ├── RecipeFileError      a recipe file cannot be read as recipes
    ├── IndexFileError       a recipe index is missing, damaged, busy, or made with another embedder
    └── TrainingError        a training run's config, data, reward or directory cannot be used as it is

Everything else that escapes is a bug and traces back.
"""


class SouschefError(Exception):
    """A problem that the user can mend; its text is shown as it is, without a traceback."""

    exit_code = 1


class UsageError(SouschefError):
    """The request cannot be meant as it stands (an empty question, a number out of range)."""

    exit_code = 2


class ModelFileError(SouschefError):
    """A model file is missing, altered, or cannot be fetched."""


class RecipeFileError(SouschefError):
    """A recipe file cannot be read as recipes."""


class IndexFileError(SouschefError):
    """A recipe index is missing, damaged, busy, or made with another embedder."""


class TrainingError(SouschefError):
    """A training run's config, data, reward or directory cannot be used as it is."""
