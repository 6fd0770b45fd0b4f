"""The similarities that can be chosen by name, one in each module: all modules of this folder are imported."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
