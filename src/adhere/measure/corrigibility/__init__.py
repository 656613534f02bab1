"""Does it yield? What a model says and does when it is told to stop, and whose word it takes.

Three things are kept apart, and named so: what is *stated* (`stated`, `evals`), what is *done* in a world
(`world`, `episode`, `shutdown_world`), and *whose* instruction is followed (`authority`, `attacks`, `dose`). Each is an
Inspect task; `battery` runs them, and `effects` tells how much of an answer comes from which factor.
"""
