"""The one kind of error that a user can mend.

Whatever a user can get wrong (a path, a parameter, a file's contents) raises `UserError` with a single line
that says what to do. The command line prints that line and exits with 2; a library caller sees an ordinary
exception. Anything else that escapes is a defect of ours and keeps its traceback.
"""


class UserError(Exception):
    """A mistake in what was asked for. Its text is one line and names what to mend."""
