"""The families of constraints: each file is one, or a few that share one idea. Importing the package registers them."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
