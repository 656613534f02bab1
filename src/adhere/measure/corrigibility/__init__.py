"""Corrigibility: what a model says and does when it is told to stop, and whose instructions it follows.

Three things are kept apart, and named so: what is *stated* (`stated`, `evals`), what is *done* in a world
(`world`, `episode`, `shutdown_world`), and *whose* instruction is followed (`authority`, `attacks`, `dose`). How long
it lasts is asked in long conversations (`character`, `drift`) and texts (`repetition`, `loops`); how far a judge's word
can be trusted where the truth is known (`judge_attack`). Each is an Inspect task; `battery` runs them, and `effects`
tells how much of an answer comes from which factor.
"""
