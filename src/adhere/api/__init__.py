"""The use cases: what Adhere does, each as one function that takes plain values and returns one small frozen object.

`adhere` itself names the stable ones (`adhere.__all__`). The command line parses options, shows progress, and prints
what these functions return; notebooks and other programs call them directly.

Rules:

- A use case prints nothing and reads no option of the command line. Progress and notices go to callbacks.
- Results have `findings`, `to_pandas()`, `report(path)` and a notebook representation (`results.Result`).
- A missing optional package is a `MissingExtra` that names what to install.
"""
