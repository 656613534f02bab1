"""Scores inputs of any size: shards are scored where an engine puts them, and only counts come back.

1. `plan`: the input is cut into shards (byte ranges of JSON lines, row groups of Parquet, other files whole).
2. `shard`: a worker scores a shard and writes its verdicts (Parquet), its bad rows, and what a tally takes from each
   response, sorted by a hash of its prompt.
3. `merge`: a worker reads one range of hashes from all shards: there all responses to a prompt are together, duplicates
   are found, and clusters are counted. Counts add up.
4. `run` drives both steps on an engine; a rerun takes over every finished shard.
"""
